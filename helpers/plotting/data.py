"""Figures of the films: examples, means, counts, acquisition groups, and what networks see."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from helpers import config
from helpers.plotting import style
from helpers.plotting.style import Array, Panels

LUNG = "#56B4E9"  # sky blue of the same palette: neither class, nor the final network
MAP = "inferno"  # even in brightness, so that it reads in grey as well


def film(
    ax: Axes,
    picture: Array,
    caption: str = "",
    label: str = "",
    mask: Array | None = None,
    box: Array | None = None,
    heat: Array | None = None,
) -> Axes:
    """One film (side, side), grey levels 0..255, framed in the colour of its class ``label``.

    On it ``heat``, a map, and the lungs' outline from ``mask``, both square and of any side, and
    the ``box`` (top, bottom, left, right) in shares of the side.
    """
    whole = (0, 1, 1, 0)
    ax.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=whole)
    if heat is not None:
        ax.imshow(heat, cmap=MAP, alpha=0.45, extent=whole)
    if mask is not None and np.any(mask):
        place = (np.arange(len(mask)) + 0.5) / len(mask)
        ax.contour(place, place, mask, levels=[0.5], colors=LUNG, linewidths=1)
    if box is not None:
        top, bottom, left, right = box
        ax.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color="w", lw=1)
    ax.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(1, 0))
    ax.set_title(caption, fontsize=9, fontweight="normal", loc="center")
    frame = {"color": config.COLOURS[label], "lw": 3} if label else {"color": config.FAINT}
    plt.setp(list(ax.spines.values()), visible=True, **frame)
    return ax


def films(
    pictures: Array, columns: int = 4, title: str = "", alt: str = "", axes: Panels = None, **each
) -> Array:
    """Films (n, side, side) row by row; ``each``: arguments of ``film``, with an item a film."""
    rows = -(-len(pictures) // columns)
    lines = max((str(caption).count("\n") + 1 for caption in each.get("caption", ())), default=0)
    height = rows * (style.WIDTH / columns + 0.16 * lines) + 0.3 * bool(title)
    axes = style.panels(axes, rows, columns, height, title, alt, layout="compressed")
    for ax in axes[len(pictures) :]:
        ax.set_axis_off()
    for ax, picture, *drawn in zip(axes, pictures, *each.values(), strict=False):
        film(ax, picture, **dict(zip(each, drawn, strict=True)))
    return axes


TITLES = {
    "": "Normal lungs are dark and sharply drawn; pneumonia turns parts of them grey or white",
    "NORMAL": "No pneumonia: dark lungs, sharp edges",
    "PNEUMONIA": "Pneumonia: bacterial (upper row) and viral (lower row)",
}
SEEN = {
    "NORMAL": "Eight chest films: two dark lungs, ribs and diaphragm drawn sharply",
    "PNEUMONIA": "Eight chest films: grey or white patches hide parts of the lungs, dense and on "
    "one side in some of the upper row, a veil over both in some of the lower",
    "": "Four chest films a row: dark lungs, drawn sharply; then dense patches, some on one side; "
    "then, in some of the lowest row, a veil over both lungs",
}


def examples(table: pd.DataFrame, pictures: Array, label: str = "") -> Array:
    """Films of different children (rows of ``table``): eight of one class, or four a subtype."""
    rows = table.reset_index(drop=True).drop_duplicates("patient")
    rows = rows[rows["label"] == label] if label else rows
    order = pd.Categorical(rows["subtype"], config.SUBTYPES)
    kinds, count = rows.groupby(order, observed=True), 8 if label else 12
    each = count // len(kinds)
    drawn = pd.concat(kind.sample(each, random_state=config.SEED) for _, kind in kinds)
    look = {"caption": drawn["subtype"], "label": drawn["label"]}
    return films(pictures[drawn.index], 4, TITLES[label], SEEN[label], **look)


def mean_films(pictures: Array, labels: Array, title: str, axes: Panels = None) -> Array:
    """Mean film of each class, arrows at the usual letter R, and the difference in grey levels."""
    normal, sick = (pictures[labels == value].mean(axis=0) for value in (0, 1))
    alt = "Two mean films and, in colour, their difference, beyond the lungs in flanks and corners"
    captions = ("mean of the healthy", "mean of the sick", "sick − healthy")
    axes = films([normal, sick, normal], 3, title, alt, axes, caption=captions)
    arrow = {"arrowprops": {"color": "white", "arrowstyle": "->", "lw": 1.5}, "color": "white"}
    for ax, place in zip(axes, ((0.03, 0.5), (0.115, 0.04)), strict=False):
        ax.annotate("letter R", place, (0.23, place[1] + 0.1), fontsize=9, **arrow)
    shown = axes[2].imshow(sick - normal, cmap="PuOr_r", vmin=-60, vmax=60, extent=(0, 1, 1, 0))
    axes[2].figure.colorbar(shown, ax=axes[2], label="grey levels", shrink=0.8)
    return axes


def in_shares(films: pd.DataFrame, count: int, share: float) -> pd.DataFrame:
    """So many of the films, the sick with their share, or fewer where there are not as many."""
    wanted = {"NORMAL": count - round(share * count), "PNEUMONIA": round(share * count)}
    return pd.concat(
        rows.sample(min(wanted[label], len(rows)), random_state=config.SEED)
        for label, rows in films.groupby("label")
    )


def acquisition_groups(
    table: pd.DataFrame, pictures: Array, groups: pd.DataFrame, axes: Panels = None
) -> Array:
    """A row of ten training films a group, framed by class, as many sick as ``groups`` says."""
    shares, each = groups["pneumonia"], 10
    span = f"{shares.min():.0%} to {shares.max():.0%} show pneumonia"
    title = f"Sorted by acquisition, not by disease: {span}"
    axes = style.panels(axes, len(shares), each, 0.92 * len(shares), title)
    known = table.reset_index(drop=True).query("part == 'training'")
    known = known.drop_duplicates(["group", "patient"])
    for row, (group, share) in enumerate(shares.items()):
        drawn, first = in_shares(known[known["group"] == group], each, share), each * row
        films(pictures[drawn.index], axes=axes[first : first + each], label=drawn["label"])
        axes[first].set_ylabel(f"group {group}\n{share:.0%} sick", fontsize=9)
    return axes
