"""What of a film a network gets to see: the whole, the lungs, or all but the lungs."""

import numpy as np
from scipy import ndimage

from helpers.data import levels
from helpers.models import lungs
from helpers.models.lungs import Found

# Of the side: how far beyond the outline a mask reaches, since what touches the pleura matters.
RIM = 0.03
# The whole film, or the box around both lungs stretched to a square; its plain edges filled or not.
VIEWS = ("film", "box", "filled film", "filled box")


def blackened(picture: np.ndarray, found: Found, row: int, inside: bool) -> np.ndarray:
    """The film with its lungs blacked out (``inside``), or with all but its lungs."""
    side = len(picture)
    outline = lungs.cut(found.masks[row].astype(np.uint8) * 255, lungs.WHOLE_FILM, side) > 127
    lung = ndimage.binary_dilation(outline, iterations=max(1, round(RIM * side)))
    return np.where(lung == inside, 0, picture).astype(np.uint8)


def apply(view: str, pictures: np.ndarray, found: Found | None, side: int) -> np.ndarray:
    """Films (n, s, s) uint8 as a network with this view sees them: (n, side, side) uint8.

    ValueError for an unknown view, or lungs that were not looked for.
    """
    if view not in VIEWS:
        raise ValueError(f"no view {view!r}; there are {', '.join(VIEWS)}")
    wanted = view.removeprefix("filled ")
    if wanted != view:
        pictures = levels.filled(pictures)
    if wanted == "film":
        return lungs.resized(pictures, side)
    if found is None:
        raise ValueError(f"the view {view!r} needs the lungs, which were not looked for")
    seen = [lungs.cut(film, box, side) for film, box in zip(pictures, found.boxes, strict=True)]
    return np.array(seen, dtype=np.uint8).reshape(len(pictures), side, side)
