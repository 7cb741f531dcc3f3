"""Laying out a slide: wrapped text, tables, lists, and room for a figure.

Places on a page are inches from its left and upper edge.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

from helpers import config
from helpers.plotting import style

WIDTH, HEIGHT, MARGIN = 13.333, 7.5, 0.6  # 16:9
INNER = WIDTH - 2 * MARGIN
TITLE, BODY, LEAST, FOOT = 26, 20, 16, 12  # points; LEAST of all but sources
GREY = "#666666"

# The notebook's look in type that is read from the back of a room. Type 42 embeds the font, so
# that a slide's text can be searched and copied.
RC = {**style.RC, "font.size": 16, "axes.titlesize": 16, "pdf.fonttype": 42}


def wrap(words: str, width: float, font: FontProperties) -> list[str]:
    """Break text into lines of at most ``width``, never between the limits of an interval."""
    lines = []
    for part in words.split("\n"):
        line = ""
        for word in re.split(r" (?![^\[]*\])", part):
            longer = f"{line} {word}".strip()
            points, *_ = text_to_path.get_text_width_height_descent(longer, font, ismath=False)
            if line and points > 71 * width:  # a point in the inch to spare for rounding
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines


def put(
    page: Figure,
    words: str,
    top: float,
    left: float = MARGIN,
    width: float = INNER,
    size: float = BODY,
    bold: bool = False,
    color: str = config.INK,
) -> float:
    """Write wrapped text; return where the next text may start."""
    font = FontProperties(size=size, weight="bold" if bold else "normal")
    for line in wrap(words, width, font):
        page.text(left / WIDTH, 1 - (top + size / 72) / HEIGHT, line, font=font, color=color)
        top += 1.3 * size / 72
    return top


def put_table(
    page: Figure,
    rows: Sequence[Sequence[str]],
    columns: Sequence[tuple[float, float]],
    top: float,
    size: float = 18,
    last: str = config.ACCENT,
) -> float:
    """Write rows of text, heads first, into ``columns`` (left, width); the last row in ``last``."""
    for number, row in enumerate(rows):
        color = {0: GREY, len(rows) - 1: last}.get(number, config.INK)
        if number:
            height = 1 - (top - 0.02) / HEIGHT
            ends = (MARGIN / WIDTH, 1 - MARGIN / WIDTH)
            page.add_artist(Line2D(ends, (height, height), color="#dddddd", lw=0.8))
        cells = zip(row, columns, strict=True)
        top = max(put(page, cell, top, *place, size, color=color) for cell, place in cells) + 0.07
    return top


def put_list(
    page: Figure,
    points: Sequence[str],
    top: float,
    signs: str,
    left: float = MARGIN,
    width: float = INNER,
    size: float = BODY,
) -> float:
    """Write points, each behind its sign."""
    for sign, point in zip(signs, points, strict=False):
        put(page, sign, top, left, size=size, bold=True, color=GREY)
        top = put(page, point, top, left + 0.4, width - 0.4, size=size) + 0.13
    return top


def blank(title: str, source: str, size: float = TITLE, page: Figure | None = None) -> Figure:
    """A page (a new one if None) with title, at most two lines, and source."""
    page = Figure(figsize=(WIDTH, HEIGHT), layout="none") if page is None else page
    put(page, title, 0.4, size=size, bold=True)
    put(page, source, HEIGHT - 0.55, size=FOOT, color=GREY)
    return page


def illustrated(
    title: str, source: str, words: str, height: float, size: float = BODY
) -> tuple[Figure, SubFigure]:
    """A page and the part of it, so high, that a figure is laid out in; words below."""
    page, top = blank(title, source), 1.5
    put(page, words, top + height + 0.15, size=size)
    return page, room(page, top, height)


def room(
    page: Figure, top: float, height: float, left: float = MARGIN, width: float = INNER
) -> SubFigure:
    """A part of a page that a figure is laid out in."""
    page.set_layout_engine("constrained")
    heights, widths = (top, height, HEIGHT - top - height), (left, width, WIDTH - left - width)
    grid = page.add_gridspec(3, 3, height_ratios=heights, width_ratios=widths)
    return page.add_subfigure(grid[1, 1])


def enlarge(part: Figure | SubFigure) -> None:
    """Raise the smallest type of the notebook's figures to what a room can read."""
    for text in part.findobj(Text):
        text.set_fontsize(max(text.get_fontsize(), LEAST))


def settle(page: Figure) -> None:
    """Lay a page out and fix the places of its axes, rounded.

    The layout solver's last digits vary from run to run, and with them the bytes of the page.
    """
    page.draw_without_rendering()
    page.set_layout_engine("none")
    for ax in page.findobj(Axes):
        ax.set_position([round(value, 4) for value in ax.get_position(original=True).bounds])
