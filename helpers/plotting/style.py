"""The look of all figures, what many of them draw, and their text for those who cannot see."""

import itertools
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython import get_ipython
from IPython.core.pylabtools import print_figure
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers import config

WIDTH = 9.0  # inches: the text width of a rendered notebook, where no text is below 9 points
GREY = "#666666"
RC = {
    "figure": {"dpi": 100, "titlesize": 12, "titleweight": "bold", "labelsize": 10},
    "figure.constrained_layout": {"use": True},
    "savefig": {"dpi": 150},
    "font": {"size": 11},
    "axes": {"titlesize": 12, "titleweight": "bold", "titlelocation": "left", "grid": True},
    "axes.spines": {"top": False, "right": False},
    "grid": {"color": "#e6e6e6"},
    "legend": {"frameon": False, "fontsize": 9},
}
Array = np.ndarray
Panel, Panels = Axes | None, Sequence[Axes] | None  # where to draw; None: on a new figure
Tables = Mapping[str, pd.DataFrame]  # one a network, by its title; the last is the final one


def use_style() -> None:
    """Give all later figures the look of this study, and in a notebook a text for the blind."""
    for group, look in RC.items():
        plt.rc(group, **look)
    plt.rc("axes", edgecolor=config.INK, axisbelow=True)
    if (shell := get_ipython()) is not None:
        shell.display_formatter.formatters["image/png"].for_type(Figure, _with_alt_text)


def _with_alt_text(figure: Figure) -> tuple[str, dict[str, str]]:
    """A figure as PNG (base64), and what a screen reader says of it."""
    return print_figure(figure, fmt="png", base64=True), {"alt": describe(figure)}


def describe(figure: Figure) -> str:
    """A figure in words: its title, then its ``alt``, or each panel's title and alt or labels."""
    texts = [figure.get_suptitle(), getattr(figure, "alt", "")]
    for ax in figure.axes if not texts[1] else ():
        labels = " over ".join(filter(None, (ax.get_ylabel(), ax.get_xlabel())))
        titles = ax.get_title(loc="left"), ax.get_title(loc="center")
        texts.append(" – ".join(filter(None, (*titles, getattr(ax, "alt", labels)))))
    texts += [figure.get_supylabel(), figure.get_supxlabel()]
    return ". ".join(dict.fromkeys(" ".join(text.split()) for text in texts if text)) + "."


def panels(
    axes: Panels, rows: int, columns: int, height: float, title: str = "", alt: str = "", **look
) -> Array:
    """``axes``, or new ones at page width, in one array; ``title`` and ``alt`` for their figure."""
    if axes is None:
        _, axes = plt.subplots(rows, columns, **{"figsize": (WIDTH, height)} | look)
    axes = np.ravel(axes)
    if title:
        axes[0].figure.suptitle(title, x=0.01, ha="left")
    if alt:
        axes[0].figure.alt = alt
    return axes


def curve(ax: Axes, table: pd.DataFrame, **line: object) -> None:
    """``value`` over the index of ``table``, in a band from ``low`` to ``high``."""
    (drawn,) = ax.plot(table["value"], **line)
    band = {"color": drawn.get_color(), "alpha": 0.15, "lw": 0}
    ax.fill_between(table.index, table["low"], table["high"], **band)


def intervals(ax: Axes, table: pd.DataFrame, colours: Sequence[str]) -> None:
    """``value`` with its limits ``low`` and ``high``, a row each, the first on top."""
    for row, (colour, (_, facts)) in enumerate(zip(colours, table.iterrows(), strict=True)):
        ax.plot([facts["low"], facts["high"]], [row, row], color=colour, lw=2.5)
        ax.plot(facts["value"], row, "o", color=colour, ms=6)
    ax.set_yticks(range(len(table)), table.index)
    ax.set_ylim(len(table) - 0.5, -0.7)


def network_styles(names: Sequence[str]) -> dict[str, dict[str, object]]:
    """Line style a network: greys that darken along the story, the last one in the accent."""
    shades = np.linspace(0.75, 0.15, len(names) + 1)[1:]
    dashes = itertools.cycle(("-", "--", "-.", ":"))
    drawn = zip(names, shades, dashes, strict=False)
    styles = {name: {"color": f"{grey:.2f}", "ls": dash, "lw": 1.4} for name, grey, dash in drawn}
    return styles | {names[-1]: {"color": config.ACCENT, "ls": "-", "lw": 2.6}}
