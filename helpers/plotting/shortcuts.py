"""Chapter 7's figures: the apparatus, what networks were shown, lungs found, trials, ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers import config
from helpers.evaluation import metrics as evaluation
from helpers.models import lungs, views
from helpers.models.lungs import Found
from helpers.plotting import results, style
from helpers.shortcuts import perturbations

LUNG = "#56B4E9"  # sky blue of the same palette: neither class, nor the final network


def _bare(ax: Axes, picture: np.ndarray) -> None:
    ax.imshow(picture, cmap="gray", vmin=0, vmax=255)
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)


def in_shares(films: pd.DataFrame, count: int, share: float) -> pd.DataFrame:
    """So many of the films, the sick with their share: the package holds fewer of them."""
    sick = round(share * count)
    kinds = (("NORMAL", count - sick), ("PNEUMONIA", sick))
    found = [(films[films["label"] == label], wanted) for label, wanted in kinds]
    return pd.concat(
        rows.sample(min(wanted, len(rows)), random_state=config.SEED) for rows, wanted in found
    )


def acquisition_groups(
    table: pd.DataFrame, pictures: np.ndarray, groups: pd.DataFrame, each: int = 10
) -> Figure:
    """A row of training films a group, framed by class, sick and healthy in the group's shares.

    ``table`` holds group, part, label and patient of ``pictures``' rows, ``groups`` is
    ``shift.groups``.
    """
    figure, axes = plt.subplots(
        len(groups), each, figsize=(style.WIDTH, len(groups) * style.WIDTH / each * 1.02)
    )
    table = table.reset_index(drop=True)
    for row, (group, facts) in zip(axes, groups.iterrows(), strict=True):
        films = table.query("group == @group and part == 'training'").drop_duplicates("patient")
        drawn = in_shares(films, each, facts["pneumonia"]).index
        for ax, position in zip(row, drawn, strict=False):
            _bare(ax, pictures[position])
            for spine in ax.spines.values():
                colour = config.COLOURS[table.loc[position, "label"]]
                spine.set(visible=True, color=colour, linewidth=3)
        row[0].set_ylabel(f"group {group}\n{facts['pneumonia']:.0%} sick", fontsize=9)
    low, high = groups["pneumonia"].min(), groups["pneumonia"].max()
    title = f"Sorted by apparatus, not by disease: {low:.0%} to {high:.0%} show pneumonia"
    figure.suptitle(title, fontweight="bold", x=0.01, ha="left")
    told = ", ".join(f"group {g} {f['pneumonia']:.0%}" for g, f in groups.iterrows())
    said = (
        f"A row of up to {each} chest films for each of {len(groups)} groups; within a row "
        f"letters, margins and greys are alike. With pneumonia: {told}"
    )
    return style.set_alt(figure, said)


SHOWN = {
    "film": "the film",
    "ring": "its border ring",
    "without_lungs": "all but the lungs",
    "box": "the lungs cut out",
    "lungs_only": "all but lungs blacked out",
}


def views_shown(pictures: np.ndarray, found: Found) -> Figure:
    """Films (rows) as the trials' networks are shown them (columns)."""
    figure, axes = plt.subplots(
        len(pictures),
        len(SHOWN),
        figsize=(style.WIDTH, len(pictures) * style.WIDTH / len(SHOWN) * 1.08),
        squeeze=False,
    )
    for column, (view, title) in enumerate(SHOWN.items()):
        seen = views.apply(view, pictures, found, config.SOURCE_SIZE)
        for ax, picture in zip(axes[:, column], seen, strict=True):
            _bare(ax, picture)
        axes[0, column].set_title(title, fontsize=10, fontweight="normal", loc="center")
    figure.suptitle("What the witnesses were shown", fontweight="bold", x=0.01, ha="left")
    said = (
        f"{len(pictures)} films, one a row, each in {len(SHOWN)} ways: whole; a frame with a black "
        "middle; with black shapes where the lungs lie; the box around the lungs, enlarged; and "
        "the lungs alone on black"
    )
    return style.set_alt(figure, said)


def outlines(
    pictures: np.ndarray, found: Found, labels: Sequence[str], title: str, columns: int = 6
) -> Figure:
    """Films with the outline and the box of the lungs that were found."""
    rows, labels = -(-len(pictures) // columns), list(labels)
    side = style.WIDTH / columns
    figure, axes = plt.subplots(rows, columns, figsize=(style.WIDTH, rows * side * 1.05))
    for number, ax in enumerate(axes.flat):
        _bare(ax, pictures[number])
        scale = len(pictures[number]) / lungs.SIDE
        place = (np.arange(lungs.SIDE) + 0.5) * scale - 0.5
        ax.contour(place, place, found.masks[number], levels=[0.5], colors=LUNG, linewidths=1.5)
        top, bottom, left, right = found.boxes[number] * len(pictures[number])
        ax.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color="w", lw=1)
        ax.set(xlim=(0, len(pictures[number]) - 1), ylim=(len(pictures[number]) - 1, 0))
        for spine in ax.spines.values():
            spine.set(visible=True, color=config.COLOURS[labels[number]], linewidth=3)
    figure.suptitle(title, fontweight="bold", x=0.01, ha="left")
    found_in = int(np.sum(found.ok[: len(pictures)]))
    said = (
        f"{len(pictures)} chest films, each with a line around the dark lungs and an upright box "
        f"around both; a pair of lungs was found in {found_in} of them. Under a dense opacity the "
        "line is the network's guess"
    )
    return style.set_alt(figure, said)


def counterfactuals(film: np.ndarray, donor: np.ndarray) -> Figure:
    """One film, its donor, and the film with each thing taken from the donor."""
    changed = {name: change(film, donor) for name, change in perturbations.COUNTERFACTUALS.items()}
    pictures = {"the film": film, "the donor": donor} | {
        f"donor's {name}": picture for name, picture in changed.items()
    }
    figure, axes = plt.subplots(ncols=6, figsize=(style.WIDTH, style.WIDTH / 6 * 1.3))
    for ax, (name, picture) in zip(axes, pictures.items(), strict=True):
        _bare(ax, picture)
        ax.set_title(name, fontsize=9.5, fontweight="normal", loc="center")
    title = "The same lungs from another apparatus"
    figure.suptitle(title, fontweight="bold", x=0.01, ha="left")
    said = (
        "Six pictures in a row: a film, one of the other class, and the first with the other's "
        f"{', '.join(changed)}. The chest stays the same; letters, margins and greys change"
    )
    return style.set_alt(figure, said)


def trials(
    seeds: pd.DataFrame,
    order: Sequence[str],
    chosen: str,
    metrics: Sequence[str] = ("validation AUROC", "stress AUROC", "stress specificity"),
) -> list[Axes]:
    """Each trial's seeds (dots) and mean (bar) on ordinary and on stress validation.

    ``seeds`` is ``trials.by_seed``; rows in ``order``, ``chosen`` in the accent.
    """
    _, axes = plt.subplots(
        ncols=len(metrics), figsize=(style.WIDTH, 0.3 * len(order) + 1.3), sharey=True
    )
    for ax, metric in zip(axes, metrics, strict=True):
        for row, name in enumerate(order):
            values = seeds.loc[seeds["trial"] == name, metric]
            colour = config.ACCENT if name == chosen else config.INK
            ax.plot(values, np.full(len(values), row), "o", color=colour, ms=4, alpha=0.5)
            ax.plot([values.mean()], [row], "|", color=colour, ms=14, mew=2.5)
        span = np.ptp(seeds.groupby("trial")[metric].mean())
        ax.set_title(f"{metric}\nspans {evaluation.short(span)}", loc="center")
        ax.margins(y=0.04)
    axes[0].set_yticks(range(len(order)), order)
    axes[0].invert_yaxis()
    axes[0].figure.supxlabel("dot: one training, bar: their mean", fontsize=10)
    return list(axes)


def ranks(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """AUROC of each network on validation, stress validation and test films, joined by lines.

    ``table`` is ``shift.ranking``.
    """
    ax = style.axes_or_new(ax, height=4.0)
    styles = results.network_styles(list(table.index))
    columns = ["validation", "stress", "test"]
    for name, row in table.iterrows():
        ax.plot(range(3), row[columns], marker="o", label=name, **styles[name])
    ax.set_xticks(range(3), ["validation films", "against their stereotype", "test films"])
    ax.set(ylabel="AUROC", xlim=(-0.2, 2.75))
    spans = {column: evaluation.short(np.ptp(table[column])) for column in columns}
    ax.set_title(
        f"Validation spreads the networks over {spans['validation']}, stress over "
        f"{spans['stress']}, the test over {spans['test']}"
    )
    ax.legend(fontsize=9, loc="upper right")
    return ax


def errors_by_kind(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Share called rightly with interval, one row a kind of film.

    ``table`` is ``shift.errors``.
    """
    ax = style.axes_or_new(ax, height=0.36 * len(table) + 0.9)
    colours: Mapping[str, str] = config.COLOURS
    sick = ("bacterial", "viral", "bacteria", "virus", "pneumonia")
    for row, (_, kind) in enumerate(table.index):
        value, low, high, films = table.iloc[row][["value", "low", "high", "films"]]
        colour = colours["PNEUMONIA" if kind.startswith(sick) else "NORMAL"]
        ax.plot([low, high], [row, row], color=colour, lw=3)
        ax.plot(value, row, "o", color=colour, ms=7)
        ax.annotate(f"{films:.0f} films", (1.03, row), va="center", fontsize=9, color="#555555")
    ax.set_yticks(range(len(table)), [f"{by}: {kind}" for by, kind in table.index])
    ax.invert_yaxis()
    ax.set(
        xlabel="share called rightly, 95% interval",
        xlim=(min(0.5, table["low"].min()) - 0.03, 1.16),
    )
    worst = table[table["films"] >= 20]["value"].idxmin()
    ax.set_title(f"Weakest of the kinds with 20 films or more: {worst[1]}")
    return ax
