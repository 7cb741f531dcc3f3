"""The same lungs as another apparatus would show them: counterfactual films.

Each film of a pair keeps its lungs and gets one thing of a donor: a training film of the other
class whose margin is typical of that class. A network that looks at lungs gives both the same
answer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter
from scipy import ndimage

from helpers import config, shortcuts

# How typical a donor's margin must be of its class, as a probability.
TYPICAL = 0.9
RING = 12  # pixels of 224 taken over from a donor's border


def donors(table: pd.DataFrame, margin: np.ndarray, has_marker: np.ndarray) -> np.ndarray:
    """For each film the position of its donor, drawn among typical training films with a marker.

    ``table`` needs label and part; ``margin`` as ``shortcuts.stereotype``; ``has_marker`` bool.
    """
    sick = (table["label"] == "PNEUMONIA").to_numpy()
    typical = np.where(sick, margin, 1 - margin) > TYPICAL
    may = typical & has_marker & (table["part"] == "training").to_numpy()
    rng = np.random.default_rng(config.SEED)
    choice = {own: rng.choice(np.flatnonzero(may & (sick != own)), len(table)) for own in (0, 1)}
    return np.where(sick, choice[1], choice[0])


def marker(film: np.ndarray, donor: np.ndarray) -> np.ndarray:
    """The donor's burnt-in letter on the film, at the place where the donor has it."""
    place = shortcuts.marker(donor)
    if place is None:
        return film
    changed = film.copy()
    letter = np.where(shortcuts.top_hat(donor)[place] > 60, donor[place], 0)
    changed[place] = np.maximum(changed[place], letter)
    return changed


def unmarked(film: np.ndarray) -> np.ndarray:
    """The film with its burnt-in letter painted over, in the tone of what surrounds it."""
    place = shortcuts.marker(film)
    if place is None:
        return film
    rows, columns = (slice(max(0, edge.start - 2), edge.stop + 2) for edge in place)
    changed = film.copy()
    around = ndimage.grey_opening(film, size=(15, 15))
    changed[rows, columns] = np.minimum(film, around)[rows, columns]
    return changed


def border(film: np.ndarray, donor: np.ndarray) -> np.ndarray:
    """The film inside the donor's outermost pixels."""
    changed = donor.copy()
    changed[RING:-RING, RING:-RING] = film[RING:-RING, RING:-RING]
    return changed


def tone(film: np.ndarray, donor: np.ndarray) -> np.ndarray:
    """The film with the donor's darkest and brightest tones (2nd and 98th percentile)."""
    (low, high), (dark, bright) = (np.percentile(f, [2, 98]) for f in (film, donor))
    changed = (film - low) / max(high - low, 1) * (bright - dark) + dark
    return np.clip(changed, 0, 255).round().astype(np.uint8)


def sharpness(film: np.ndarray, donor: np.ndarray) -> np.ndarray:
    """The film blurred or sharpened one step towards the donor."""
    own, other = (shortcuts.features(f)["sharpness"] for f in (film, donor))
    sharper = ImageFilter.UnsharpMask(radius=1, percent=80, threshold=0)
    change = sharper if other > own else ImageFilter.GaussianBlur(radius=0.8)
    return np.asarray(Image.fromarray(film).filter(change), dtype=np.uint8)


CHANGES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    change.__name__: change for change in (marker, border, tone, sharpness)
}


def counterfactuals(change: str, pictures: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Films (n, 224, 224) uint8 with one thing taken from the donors ``given`` (n, 224, 224)."""
    pairs = zip(pictures, given, strict=True)
    return np.array([CHANGES[change](film, donor) for film, donor in pairs], dtype=np.uint8)
