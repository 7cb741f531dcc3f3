"""What of a film a network gets to see: the whole, the lungs, or all but the lungs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from helpers.models import lungs
from helpers.models.lungs import Found

# Of the side: how far beyond the outline a mask reaches, since what touches the pleura matters.
RIM = 0.03
RING = 0.125  # of the side, on each: what the border ring alone keeps


def film(picture: np.ndarray, found: Found | None, row: int, side: int) -> np.ndarray:
    """The whole film."""
    return lungs.cut(picture, lungs.WHOLE_FILM, side)


def box(picture: np.ndarray, found: Found, row: int, side: int) -> np.ndarray:
    """The box around both lungs, stretched to a square."""
    return lungs.cut(picture, found.boxes[row], side)


def equalised(picture: np.ndarray, found: Found, row: int, side: int) -> np.ndarray:
    """The box with its grey levels spread evenly: no tone of an X-ray unit is left."""
    cut = Image.fromarray(box(picture, found, row, side))
    return np.asarray(ImageOps.equalize(cut), dtype=np.uint8)


def blackened(picture: np.ndarray, found: Found, row: int, inside: bool) -> np.ndarray:
    """The film with its lungs blacked out (``inside``), or with all but its lungs."""
    side = len(picture)
    outline = lungs.cut(found.masks[row].astype(np.uint8) * 255, lungs.WHOLE_FILM, side) > 127
    lung = ndimage.binary_dilation(outline, iterations=max(1, round(RIM * side)))
    return np.where(lung == inside, 0, picture).astype(np.uint8)


def lungs_only(picture: np.ndarray, found: Found, row: int, side: int) -> np.ndarray:
    """The box with all but the lungs blacked out."""
    return lungs.cut(blackened(picture, found, row, inside=False), found.boxes[row], side)


def without_lungs(picture: np.ndarray, found: Found, row: int, side: int) -> np.ndarray:
    """The film with the lungs blacked out."""
    return film(blackened(picture, found, row, inside=True), found, row, side)


def ring(picture: np.ndarray, found: Found | None, row: int, side: int) -> np.ndarray:
    """The border of the film, its middle blacked out."""
    width = round(RING * len(picture))
    kept = picture.copy()
    kept[width:-width, width:-width] = 0
    return film(kept, found, row, side)


View = Callable[[np.ndarray, Found, int, int], np.ndarray]
VIEWS: dict[str, View] = {
    view.__name__: view for view in (film, box, equalised, lungs_only, without_lungs, ring)
}
# Views that can be had without finding the lungs first.
WHOLE = ("film", "ring")


def apply(view: str, pictures: np.ndarray, found: Found | None, side: int) -> np.ndarray:
    """Films (n, s, s) uint8 as a network with this view sees them: (n, side, side) uint8.

    Raises:
        ValueError: an unknown view, or lungs that were not looked for.
    """
    if view not in VIEWS:
        raise ValueError(f"no view {view!r}; there are {', '.join(VIEWS)}")
    if found is None and view not in WHOLE:
        raise ValueError(f"the view {view!r} needs the lungs, which were not looked for")
    seen = [VIEWS[view](picture, found, row, side) for row, picture in enumerate(pictures)]
    return np.array(seen, dtype=np.uint8).reshape(len(pictures), side, side)
