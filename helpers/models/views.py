"""What of a film a network gets to see: the whole, the lungs, or all but the lungs."""

import numpy as np
from scipy import ndimage

from helpers.models import lungs
from helpers.models.lungs import Found

# Of the side: how far beyond the outline a mask reaches, since what touches the pleura matters.
RIM = 0.03
VIEWS = {
    "film": "the whole film",
    "box": "the box around both lungs, stretched to a square",
    "trimmed film": "the film inside its plain edges, stretched to a square",
    "trimmed box": "the part of that box inside the film's plain edges",
}
# A line of the edge is plain where all but LETTERS of its pixels are within NEAR levels of one;
# of EDGE (a share of the side) at most.
NEAR, LETTERS, EDGE = 8, 0.02, 0.1


def trimmed(picture: np.ndarray) -> np.ndarray:
    """Box inside the plain edges of a film, shares of the side: top, bottom, left, right.

    One line more is cut, which a resizing may have mixed of edge and film.
    """
    side = len(picture)
    taken = []
    for lines in (picture, picture[::-1], picture.T, picture.T[::-1]):
        lines = lines[: round(EDGE * side)].astype(np.int16)
        away = np.abs(lines - np.median(lines, axis=1, keepdims=True)) > NEAR
        plain = int(np.argmin(np.append(away.mean(axis=1) <= LETTERS, False)))
        taken.append((plain + 1) / side if plain else 0.0)
    top, bottom, left, right = taken
    return np.array([top, 1 - bottom, left, 1 - right])


def blackened(picture: np.ndarray, found: Found, row: int, inside: bool) -> np.ndarray:
    """The film with its lungs blacked out (``inside``), or with all but its lungs."""
    side = len(picture)
    outline = lungs.cut(found.masks[row].astype(np.uint8) * 255, lungs.WHOLE_FILM, side) > 127
    lung = ndimage.binary_dilation(outline, iterations=max(1, round(RIM * side)))
    return np.where(lung == inside, 0, picture).astype(np.uint8)


def clipped(box: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """What two boxes (top, bottom, left, right) have in common."""
    lower, upper = np.maximum(box, inside), np.minimum(box, inside)
    return np.array([lower[0], upper[1], lower[2], upper[3]])


def apply(view: str, pictures: np.ndarray, found: Found | None, side: int) -> np.ndarray:
    """Films (n, s, s) uint8 as a network with this view sees them: (n, side, side) uint8.

    ValueError for an unknown view, or lungs that were not looked for.
    """
    if view not in VIEWS:
        raise ValueError(f"no view {view!r}; there are {', '.join(VIEWS)}")
    if view == "film":
        return lungs.resized(pictures, side)
    if view == "trimmed film":
        boxes = [trimmed(film) for film in pictures]
    elif found is None:
        raise ValueError(f"the view {view!r} needs the lungs, which were not looked for")
    else:
        boxes = found.boxes
    if view == "trimmed box":
        boxes = [clipped(box, trimmed(film)) for film, box in zip(pictures, boxes, strict=True)]
    seen = [lungs.cut(film, box, side) for film, box in zip(pictures, boxes, strict=True)]
    return np.array(seen, dtype=np.uint8).reshape(len(pictures), side, side)
