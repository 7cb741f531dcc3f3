"""The look of all figures, and their text for those who cannot see them."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython import get_ipython
from IPython.core.pylabtools import print_figure
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers import config

WIDTH = 9.0  # inches: the text width of a rendered notebook

RC = {
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": config.INK,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "image.cmap": "gray",
}


def use_style() -> None:
    """Give all later figures the look of this study, and in a notebook a text for the blind."""
    plt.rcParams.update(RC)
    shell = get_ipython()
    if shell is not None:
        shell.display_formatter.formatters["image/png"].for_type(Figure, _with_alt_text)


def show() -> None:
    """Show what was drawn in this cell so far, above what the rest of the cell tells."""
    plt.show()


def _with_alt_text(figure: Figure) -> tuple[str, dict[str, str]]:
    """A figure as PNG (base64), and what a screen reader says of it."""
    return print_figure(figure, fmt="png", base64=True), {"alt": describe(figure)}


def describe(figure: Figure) -> str:
    """A figure in words: what it was given to say, or its titles (the finding) and its axes."""
    if getattr(figure, "alt", ""):
        return f"{figure.alt}."
    title = figure.get_suptitle()
    told, axes = [title] if title else [], []
    for ax in figure.axes:
        heads = {ax.get_title(loc=where) for where in ("left", "center", "right")} - {""}
        told += [head for head in sorted(heads) if head not in told]
        shown = [label for label in (ax.get_ylabel(), ax.get_xlabel()) if label]
        axes += [" over ".join(shown)] if shown else []
    text = ". ".join(" ".join(part.split()) for part in told)
    drawn = "; ".join(dict.fromkeys(" ".join(part.split()) for part in axes))
    return f"{text}. Drawn: {drawn}." if drawn else f"{text}."


def set_alt(figure: Figure, text: str) -> Figure:
    """Have a screen reader say ``text`` of ``figure`` after its title; return the figure."""
    figure.alt = ". ".join(filter(None, (figure.get_suptitle(), text)))
    return figure


def axes_or_new(ax: Axes | None, width: float = WIDTH, height: float = 3.4) -> Axes:
    return plt.subplots(figsize=(width, height))[1] if ax is None else ax


def row(axes: Sequence[Axes] | None, count: int, height: float, **kwargs: object) -> list[Axes]:
    """``count`` axes side by side at page width, unless given."""
    if axes is None:
        _, axes = plt.subplots(ncols=count, figsize=(WIDTH, height), **kwargs)
    return list(np.ravel(axes))
