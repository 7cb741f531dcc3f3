"""What of a film a network gets to see: the whole, the lungs, or all but the lungs."""

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from helpers.models import lungs
from helpers.models.lungs import Found

# Of the side: how far beyond the outline a mask reaches, since what touches the pleura matters.
RIM = 0.03
RING = 0.125  # of the side, on each: what the border ring alone keeps

VIEWS = {
    "film": "the whole film",
    "box": "the box around both lungs, stretched to a square",
    "equalised": "the box, its grey levels spread evenly: no tone of an X-ray unit is left",
    "lungs_only": "the box, all but the lungs blacked out",
    "without_lungs": "the film, the lungs blacked out",
    "ring": "the border of the film, its middle blacked out",
}
WHOLE = ("film", "ring")  # can be had without finding the lungs first


def blackened(picture: np.ndarray, found: Found, row: int, inside: bool) -> np.ndarray:
    """The film with its lungs blacked out (``inside``), or with all but its lungs."""
    side = len(picture)
    outline = lungs.cut(found.masks[row].astype(np.uint8) * 255, lungs.WHOLE_FILM, side) > 127
    lung = ndimage.binary_dilation(outline, iterations=max(1, round(RIM * side)))
    return np.where(lung == inside, 0, picture).astype(np.uint8)


def _view(view: str, film: np.ndarray, found: Found | None, row: int, side: int) -> np.ndarray:
    """One film (s, s) uint8, in row ``row`` of ``found``, in one of VIEWS: (side, side) uint8."""
    if view in ("lungs_only", "without_lungs"):
        film = blackened(film, found, row, inside=view == "without_lungs")
    if view == "ring":
        width = round(RING * len(film))
        film = film.copy()
        film[width:-width, width:-width] = 0
    boxed = view in ("box", "equalised", "lungs_only")
    cut = lungs.cut(film, found.boxes[row] if boxed else lungs.WHOLE_FILM, side)
    return np.asarray(ImageOps.equalize(Image.fromarray(cut))) if view == "equalised" else cut


def apply(view: str, pictures: np.ndarray, found: Found | None, side: int) -> np.ndarray:
    """Films (n, s, s) uint8 as a network with this view sees them: (n, side, side) uint8.

    ValueError for an unknown view, or lungs that were not looked for.
    """
    if view not in VIEWS:
        raise ValueError(f"no view {view!r}; there are {', '.join(VIEWS)}")
    if found is None and view not in WHOLE:
        raise ValueError(f"the view {view!r} needs the lungs, which were not looked for")
    seen = [_view(view, film, found, row, side) for row, film in enumerate(pictures)]
    return np.array(seen, dtype=np.uint8).reshape(len(pictures), side, side)
