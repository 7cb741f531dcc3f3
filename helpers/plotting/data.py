"""Figures of the films: examples, means, counts."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from helpers import config
from helpers.plotting import style


def films(
    pictures: np.ndarray,
    captions: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    columns: int = 4,
    title: str = "",
    alt: str = "",
) -> Figure:
    """Grid of films (n, side, side) uint8; a frame in the class's colour where labels are given.

    ``alt`` is what one sees, for those who cannot.
    """
    rows = -(-len(pictures) // columns)
    side = style.WIDTH / columns
    figure, axes = plt.subplots(
        rows, columns, figsize=(style.WIDTH, rows * (side + 0.22)), squeeze=False
    )
    for ax in axes.flat:
        ax.set_axis_off()
    for position, (ax, picture) in enumerate(zip(axes.flat, pictures, strict=False)):
        ax.set_axis_on()
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
        if captions is not None:
            ax.set_title(captions[position], fontsize=9, fontweight="normal", loc="center")
        colour = config.COLOURS[labels[position]] if labels is not None else config.FAINT
        for spine in ax.spines.values():
            spine.set(visible=True, color=colour, linewidth=3 if labels is not None else 0.8)
    if title:
        figure.suptitle(title, fontweight="bold", x=0.01, ha="left")
    return style.set_alt(figure, alt) if alt else figure


SEEN = {
    "NORMAL": "Eight frontal chest X-rays of children: two dark lungs, one on each side of a "
    "bright heart and spine, ribs and diaphragm drawn sharply",
    "PNEUMONIA": "Eight frontal chest X-rays of children: white or grey patches hide parts of the "
    "lungs, dense and on one side in some of the upper row, a veil over both sides in some of the "
    "lower; heart and diaphragm are often blurred",
}


def examples(
    table: pd.DataFrame, pictures: np.ndarray, label: str, seed: int = config.SEED
) -> Figure:
    """Eight films of one class, each of another child, drawn with ``seed``.

    ``table`` holds label, subtype and patient of ``pictures``' rows. Of pneumonia, the upper
    row is bacterial and the lower viral.
    """
    rows = table.reset_index(drop=True).query("label == @label").drop_duplicates("patient")
    kinds = rows["subtype"].unique()
    drawn = [
        rows[rows["subtype"] == kind].sample(8 // len(kinds), random_state=seed)
        for kind in sorted(kinds)
    ]
    chosen = pd.concat(drawn)
    return films(
        pictures[chosen.index],
        captions=[
            row.film if row.subtype == "normal" else row.subtype for row in chosen.itertuples()
        ],
        labels=list(chosen["label"]),
        title="No pneumonia: dark lungs, sharp edges"
        if label == "NORMAL"
        else "Pneumonia: bacterial (upper row) and viral (lower row)",
        alt=SEEN[label],
    )


def mean_films(
    pictures: np.ndarray, labels: np.ndarray, axes: Sequence[Axes] | None = None
) -> list[Axes]:
    """Mean film of each class and their difference, with a colour bar in grey levels (0..255)."""
    axes = style.row(axes, 3, 3.3)
    normal, sick = (pictures[labels == value].mean(axis=0) for value in (0, 1))
    for ax, picture, name in zip(axes, (normal, sick), config.LABELS, strict=False):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255)
        ax.set_title(f"mean {name} film", color=config.INK)
    shown = axes[2].imshow(sick - normal, cmap="PuOr_r", vmin=-60, vmax=60)
    axes[2].set_title("PNEUMONIA − NORMAL")
    axes[2].figure.colorbar(shown, ax=axes[2], label="grey levels", shrink=0.8)
    for ax in axes:
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
    reach = np.abs(sick - normal).max()
    said = (
        "Three pictures: the mean film of each class, a blurred chest, and their difference in "
        f"colour, up to {reach:.0f} of 255 grey levels. Not the lungs alone are coloured: "
        "shoulders, flanks and corners are as well"
    )
    style.set_alt(axes[0].figure, said)
    return axes


def class_balance(counts: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Films by part and subtype as stacked bars; ``counts`` as ``manifest.counts`` gives it."""
    ax = style.axes_or_new(ax, height=2.8)
    shares = counts[list(config.SUBTYPES)].div(counts["total"], axis=0).iloc[::-1]
    left = np.zeros(len(shares))
    for subtype in config.SUBTYPES:
        width = shares[subtype].to_numpy()
        face = config.SUBTYPE_COLOURS[subtype]
        # Bacterial and viral are the same grey where there is no colour: one of them is hatched.
        hatch = {"hatch": "///", "edgecolor": "white"} if subtype == "viral" else {}
        bars = ax.barh(shares.index, width, left=left, color=face, label=subtype, **hatch)
        number = [f"{n:,}" if n else "" for n in counts[subtype].iloc[::-1]]
        colour = "white" if subtype == "normal" else config.INK
        for text in ax.bar_label(bars, number, label_type="center", color=colour):
            if text.get_text():
                text.set_bbox({"facecolor": face, "edgecolor": "none", "pad": 1.5})
        left += width
    told = ", ".join(f"{part} {share:.0%}" for part, share in counts["prevalence"].items())
    ax.set_title(f"Share of films with pneumonia: {told}")
    ax.set(xlabel="share of the films (number of films in the bars)", xlim=(0, 1))
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.28))
    ax.grid(visible=False)
    return ax


def films_per_patient(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """How many films the patients have; a random split by film would tear the right side apart."""
    ax = style.axes_or_new(ax, height=2.8)
    per_patient = table.groupby("patient").size()
    several = per_patient[per_patient > 1].sum() / len(table)
    counts = per_patient.clip(upper=8).value_counts().sort_index()
    bars = ax.bar(
        [f"{n}" if n < 8 else "8 or more" for n in counts.index], counts, color=config.INK
    )
    ax.bar_label(bars, [f"{n:,}" for n in counts])
    ax.set_title(f"{several:.0%} of the films belong to a child with several films")
    ax.set(xlabel="films of one patient", ylabel="patients (logarithmic)", yscale="log")
    ax.margins(y=0.12)
    ax.grid(visible=False)
    return ax
