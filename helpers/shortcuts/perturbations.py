"""What is done to a film on purpose: corruptions, and counterfactuals of another acquisition.

Films are (224, 224) uint8. The number of a film decides where a corruption has two directions.
"""

import io
from collections.abc import Callable

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter
from scipy import ndimage

from helpers import config
from helpers.shortcuts import acquisition

STRENGTHS = (1, 2, 3, 4, 5)
TYPICAL = 0.9  # how typical a donor's margin must be of its class, as a probability
RING = 12  # pixels of 224 taken over from a donor's border


def _whole(film: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(film), 0, 255).astype(np.uint8)


def _filtered(film: np.ndarray, change: ImageFilter.Filter) -> np.ndarray:
    return np.asarray(Image.fromarray(film).filter(change))


def exposure(film: np.ndarray, strength: int, number: int) -> np.ndarray:
    """Over- or underexposed: intensities to the power of gamma, or of its inverse."""
    gamma = (1.2, 1.4, 1.7, 2.0, 2.5)[strength - 1]
    return _whole(255 * (film / 255) ** (gamma if number % 2 else 1 / gamma))


def contrast(film: np.ndarray, strength: int, number: int) -> np.ndarray:
    """Flat: the distance of each pixel from the film's mean shrunk."""
    return _whole(film.mean() + (0.8, 0.65, 0.5, 0.4, 0.3)[strength - 1] * (film - film.mean()))


def blur(film: np.ndarray, strength: int, number: int) -> np.ndarray:
    """Out of focus or moved: Gaussian blur, standard deviation in pixels of 224."""
    return _filtered(film, ImageFilter.GaussianBlur((0.5, 1.0, 1.5, 2.0, 3.0)[strength - 1]))


def noise(film: np.ndarray, strength: int, number: int) -> np.ndarray:
    """Too few quanta: Gaussian noise, standard deviation in grey levels."""
    grain = np.random.default_rng([strength, number]).normal(size=film.shape)
    return _whole(film + (4, 8, 12, 18, 25)[strength - 1] * grain)


def jpeg(film: np.ndarray, strength: int, number: int) -> np.ndarray:
    """Compressed hard: saved as JPEG of low quality."""
    quality = (60, 40, 25, 15, 8)[strength - 1]
    Image.fromarray(film).save(kept := io.BytesIO(), "JPEG", quality=quality)
    return np.asarray(Image.open(kept))


def resolution(film: np.ndarray, strength: int, number: int) -> np.ndarray:
    """Sent small: brought to fewer pixels and back."""
    side = (160, 112, 80, 64, 48)[strength - 1]
    small = Image.fromarray(film).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small.resize(film.shape[::-1], Image.Resampling.BILINEAR))


def rotation(film: np.ndarray, strength: int, number: int) -> np.ndarray:
    """Askew, to either side; degrees. What is uncovered is black."""
    angle = (3, 6, 9, 12, 15)[strength - 1] * (1 if number % 2 else -1)
    return np.asarray(Image.fromarray(film).rotate(angle, Image.Resampling.BILINEAR))


def shift(film: np.ndarray, strength: int, number: int) -> np.ndarray:
    """Off centre, cut on one of four sides; shares of the side. What is uncovered is black."""
    step = round((0.03, 0.06, 0.09, 0.12, 0.15)[strength - 1] * len(film))
    return ndimage.shift(film, ((0, step), (0, -step), (step, 0), (-step, 0))[number % 4], order=0)


CORRUPTIONS: dict[str, Callable[..., np.ndarray]] = {
    change.__name__: change
    for change in (exposure, contrast, blur, noise, jpeg, resolution, rotation, shift)
}
# No unit takes such films, but software stores them. One strength each.
STORAGE_ERRORS: dict[str, Callable[..., np.ndarray]] = {
    "mirrored": lambda film, strength, number: film[:, ::-1],
    "inverted": lambda film, strength, number: 255 - film,
}


def corrupt(name: str, strength: int, pictures: np.ndarray) -> np.ndarray:
    """Films (n, 224, 224) uint8 with one corruption; ValueError: no such corruption or strength."""
    known = CORRUPTIONS | STORAGE_ERRORS
    if name not in known:
        raise ValueError(f"no corruption {name!r}; there are {', '.join(known)}")
    if strength not in STRENGTHS:
        raise ValueError(f"{name}: strength {strength} is none of {STRENGTHS}")
    made = [known[name](film, strength, number) for number, film in enumerate(pictures)]
    return np.array(made, dtype=np.uint8)


def donors(table: pd.DataFrame) -> np.ndarray:
    """For each film the position of its donor: a typical training film of the other class.

    ``table`` needs y, part, margin (``acquisition.propensity``) and marker; a donor has one.
    """
    sick = table["y"].to_numpy() == 1
    typical = np.where(sick, table["margin"], 1 - table["margin"]) > TYPICAL
    may = typical & (table["part"] == "training") & (table["marker"] > 0)
    rng = np.random.default_rng(config.SEED)
    choice = [rng.choice(np.flatnonzero(may & (sick != own)), len(table)) for own in (0, 1)]
    return np.where(sick, choice[1], choice[0])


def marker(film: np.ndarray, donor: np.ndarray) -> np.ndarray:
    """The donor's burnt-in letter on the film, at the place where the donor has it."""
    place, changed = acquisition.marker(donor), film.copy()
    if place is not None:
        letter = np.where(acquisition.top_hat(donor)[place] > 60, donor[place], 0)
        changed[place] = np.maximum(changed[place], letter)
    return changed


def unmarked(film: np.ndarray) -> np.ndarray:
    """The film with its burnt-in letter painted over, in the tone of what is around it."""
    place, changed = acquisition.marker(film), film.copy()
    if place is not None:
        wider = tuple(slice(max(0, edge.start - 2), edge.stop + 2) for edge in place)
        without = np.minimum(film, ndimage.grey_opening(film, size=(15, 15)))
        changed[wider] = without[wider]
    return changed


def border(film: np.ndarray, donor: np.ndarray) -> np.ndarray:
    """The film inside the donor's outermost pixels."""
    changed = donor.copy()
    changed[RING:-RING, RING:-RING] = film[RING:-RING, RING:-RING]
    return changed


def tone(film: np.ndarray, donor: np.ndarray) -> np.ndarray:
    """The film with the donor's darkest and brightest tones (2nd and 98th percentile)."""
    (low, high), (dark, bright) = (np.percentile(f, [2, 98]) for f in (film, donor))
    return _whole((film - low) / max(high - low, 1) * (bright - dark) + dark)


def sharpness(film: np.ndarray, donor: np.ndarray) -> np.ndarray:
    """The film blurred or sharpened one step towards the donor."""
    own, other = (acquisition.features(f)["sharpness"] for f in (film, donor))
    sharper = ImageFilter.UnsharpMask(radius=1, percent=80, threshold=0)
    return _filtered(film, sharper if other > own else ImageFilter.GaussianBlur(radius=0.8))


COUNTERFACTUALS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    change.__name__: change for change in (marker, border, tone, sharpness)
}


def counterfactuals(change: str, pictures: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Films (n, 224, 224) uint8 with one thing taken from the donors ``given`` (n, 224, 224)."""
    return np.array(list(map(COUNTERFACTUALS[change], pictures, given)), dtype=np.uint8)
