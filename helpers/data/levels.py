"""Pixel values of any range to 8-bit grey: padding, range, frames, tint. Knows no file format."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from helpers import config

LEAST = 2 * config.SOURCE_SIZE  # pixels a side that are kept where a picture is reduced
PADDING = 0.005  # of the pixels; a marker's letters are fewer
BRIGHT = 208  # 99.5th percentile of the median training film; its 0.5th is 0

# Radiographs stored as RGB have (nearly) equal channels; JPEG leaves a level or two of chroma.
# Those of a colour photograph differ by tens of levels in the mean, and by no rule.
COLOUR_TOLERANCE = 6.0

# Pixels of a bar are within FLAT of one level; beside its edge JPEG makes SEAM lines uneven by
# NEAR. A film's own margin is BLACK, seldom WIDE (a share of the side) and ends softly: within
# three lines in less than SHARP of their pixels.
FLAT, NEAR, SEAM, BLACK = 2, 24, 8, 12
SHARP, WIDE = 0.6, 0.05

# At the source size: a plain line of a film's edge has all but LETTERS of its pixels within ALIKE
# levels of one; MARGIN, a share of the side, is the most that is looked at.
ALIKE, LETTERS, MARGIN = 8, 0.02, 0.1


class NoFilmError(ValueError):
    """These pixels are no film; the message says why."""


class Range(NamedTuple):
    """Values of black and of white; the share of it that a film must fill, or it is not its."""

    low: float
    high: float
    fill: float = 0.4
    note: str = ""

    def fits(self, values: np.ndarray) -> bool:
        """Whether a film of these values fills enough of it, and much of the film lies in it."""
        low, high = np.percentile(values[::2, ::2], [0.5, 99.5])
        inside, width = min(high, self.high) - max(low, self.low), self.high - self.low
        return width > 0 and inside >= max(self.fill * width, (high - low) / 4)


def reduced(values: np.ndarray) -> np.ndarray:
    """Means of square blocks of (rows, columns[, 3]) that leave LEAST or more pixels a side."""
    step = min(values.shape[:2]) // LEAST
    if step < 2:
        return values
    rows, columns = (side // step for side in values.shape[:2])
    blocks = values[: rows * step, : columns * step]
    blocks = blocks.reshape(rows, step, columns, step, *values.shape[2:])
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def padding(values: np.ndarray, given: float | None = None) -> np.ndarray:
    """Which of (rows, columns) are ``given``, or an extreme value far from all others."""
    found = np.zeros(values.shape, bool) if given is None else values == given
    step = max(1, min(values.shape) // LEAST)
    some = values[::step, ::step][~found[::step, ::step]].astype(np.float64)
    for end in (some.min(initial=np.inf), some.max(initial=-np.inf)):
        others = some[some != end]
        many = 0 < others.size < (1 - PADDING) * some.size
        if many and np.abs(others - end).min() > np.ptp(others):
            found |= values == end
    return found & ~found.all()


def scaled(values: np.ndarray, given: Range) -> tuple[np.ndarray, tuple[str, ...]]:
    """Values (rows, columns) as uint8 grey: by ``given`` if it fits, else as usual films are."""
    low, high, _, note = given
    if not given.fits(values):
        low, high = np.percentile(values[::2, ::2], [0.5, 99.5])
        high = low + (high - low) * 255 / BRIGHT
        note = "no range that fits is given: black and white by the film's own values"
    grey = np.clip((values - low) * (255 / max(high - low, 1e-9)), 0, 255)
    return grey.round().astype(np.uint8), (note,) if note else ()


def grey(values: np.ndarray, given: Range | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """8-bit grey (rows, columns) of what stands inside bars and frames, and notes.

    Takes uint8 as it is, (rows, columns) or colour (rows, columns, 3); other values by ``given``.
    NoFilmError: nothing but a bar, or colours that are no tint.
    """
    if given is None:
        shown = np.asarray(Image.fromarray(values).convert("L"))
    else:
        shown, _ = scaled(values, given)
    kept = values[inside(shown)]
    if not kept.size:
        raise NoFilmError("blank, all pixels nearly the same")
    share, notes = 1 - kept.size / values.size, ()
    if kept.ndim == 3:
        kept, notes = untinted(kept)
    elif given is not None:
        kept, notes = scaled(kept, given)
    return kept, (*notes, f"bars or a frame trimmed, {max(share, 0.01):.0%}") if share else notes


def untinted(colour: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Grey of colours (rows, columns, 3) uint8 that are grey, or of one tint; else NoFilmError."""
    some = colour[::8, ::8].reshape(-1, 3).astype(np.float32)
    if np.ptp(some, axis=1).mean() <= COLOUR_TOLERANCE:
        return np.asarray(Image.fromarray(colour).convert("L")), ()
    powers = np.vander(some.mean(axis=1) / 255, 3)
    apart = some - powers @ np.linalg.lstsq(powers, some, rcond=None)[0]
    if np.abs(apart).max(axis=1).mean() > COLOUR_TOLERANCE:
        raise NoFilmError("a colour picture, not a grey radiograph")
    return colour.max(axis=2), ("tint taken off",)  # the light that the tint lets through


def inside(shown: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that bars and frames leave of (rows, columns) levels 0 to 255."""
    top, left, bottom, right = 0, 0, *shown.shape[:2]
    while bottom - top > SEAM and right - left > SEAM:
        rows = shown[top:bottom, left:right]
        columns = rows.swapaxes(0, 1)
        bars = [_bar(lines) for lines in (rows, columns, rows[::-1], columns[::-1])]
        if not any(bars):
            break
        top, left, bottom, right = top + bars[0], left + bars[1], bottom - bars[2], right - bars[3]
    return slice(top, max(bottom, top)), slice(left, max(right, left))


def _bar(lines: np.ndarray) -> int:
    """How many lines from the first on are a bar."""
    level = np.median(lines[0])
    if (np.abs(lines[0] - level) > NEAR).mean() > 0.02:  # the usual case, told at once
        return 0
    away = np.abs(lines - level)
    near, exact = (
        int(np.argmin(np.append((away > most).mean(axis=1) <= share, False)))
        for most, share in ((NEAR, 0.02), (FLAT, 0))
    )
    if (away[near : near + 3] > NEAR).mean(axis=1).max(initial=0) >= SHARP:
        return near
    if exact < (WIDE * len(lines) if level <= BLACK else 1):
        return 0
    seam = (away[exact : exact + SEAM] > NEAR / 3).mean(axis=1) <= 0.02
    return exact + int(np.argmin(np.append(seam, False)))


def filled(pictures: np.ndarray) -> np.ndarray:
    """Films (n, s, s) uint8 whose plain edges, and a line more, mirror what is beside them."""
    made = []
    for film in pictures:
        widths = []
        for lines in (film, film[::-1], film.T, film.T[::-1]):
            lines = lines[: round(MARGIN * len(film))].astype(np.int16)
            away = np.abs(lines - np.median(lines, axis=1, keepdims=True)) > ALIKE
            plain = int(np.argmin(np.append(away.mean(axis=1) <= LETTERS, False)))
            widths.append(plain + bool(plain))  # resizing may have mixed one line more
        top, bottom, left, right = widths
        inside = film[top : len(film) - bottom, left : len(film) - right]
        made.append(np.pad(inside, ((top, bottom), (left, right)), mode="reflect"))
    return np.array(made, dtype=np.uint8).reshape(pictures.shape)
