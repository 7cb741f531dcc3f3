"""Drawings that only the slides show: films and maps in large, dots, peers, members."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from helpers import config, explain
from helpers.evaluation import metrics
from helpers.models import lungs, views
from helpers.plotting import decisions, shortcuts
from helpers.report.deck import HARSH, PLAIN, Story
from helpers.report.layout import GREY, HEIGHT, LEAST, WIDTH
from helpers.shortcuts import acquisition
from helpers.training import record
from helpers.training.study import Study

MOST = 16  # rows of peers that fit in type for a room


def bare(ax: Axes, picture: np.ndarray, colour: str = config.FAINT) -> None:
    """A film in a frame."""
    ax.imshow(picture, cmap="gray", vmin=0, vmax=255)
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set(visible=True, color=colour, linewidth=3)


def dots(
    page: Figure,
    place: tuple[float, float, float],
    kinds: Sequence[tuple[float, str, bool]],
    columns: int,
) -> float:
    """A dot a film or child at ``place`` (left, top, width); return where they end.

    ``kinds`` are (how many, class, whether called rightly): open where wrong.
    """
    left, top, width = place
    colour = [config.COLOURS[label] for n, label, _ in kinds for _ in range(round(n))]
    right = [called for n, _, called in kinds for _ in range(round(n))]
    number = np.arange(len(colour))
    rows, pitch = -(-len(colour) // columns), width / columns
    bounds = (left / WIDTH, 1 - (top + rows * pitch) / HEIGHT, width / WIDTH, rows * pitch / HEIGHT)
    ax = page.add_axes(bounds)
    fill = [c if called else "white" for c, called in zip(colour, right, strict=True)]
    style = {"s": (50 * pitch) ** 2, "edgecolors": colour, "linewidths": max(0.7, 4.5 * pitch)}
    ax.scatter(number % columns, number // columns, c=fill, **style)
    ax.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    ax.set_axis_off()
    return top + rows * pitch


def montage(part: SubFigure, told: Story, groups: pd.DataFrame, each: int = 12) -> None:
    """Training films of each group of apparatus, a row a group, framed by class."""
    known = told.films.table.join(acquisition.read()["group"], on="film").reset_index(drop=True)
    known = known[told.part("training")].drop_duplicates("patient")
    axes = part.subplots(len(groups), each)
    for row, (group, facts) in zip(axes, groups.iterrows(), strict=True):
        drawn = shortcuts.in_shares(known[known["group"] == group], each, facts["pneumonia"])
        small = lungs.resized(told.pictures[drawn.index], config.SOURCE_SIZE // 2)
        for ax in row:
            ax.set(xticks=[], yticks=[])
        for ax, picture, label in zip(row, small, drawn["label"], strict=False):
            bare(ax, picture, config.COLOURS[label])
        name = f"group {group}:\n{facts['pneumonia']:.0%} sick"
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")


def member_views(axes: Sequence[Axes], told: Story) -> None:
    """A training film with pneumonia as the two kinds of members see it."""
    row = np.flatnonzero(told.part("training") & (told.sick == 1))[:1]
    films = told.pictures[row]
    found = lungs.find(record.load_network(config.RESULTS, lungs.NAME), films)
    names = {"film": "the whole film", "box": "the lungs cut out"}
    for ax, (view, name), colour in zip(axes, names.items(), (GREY, config.ACCENT), strict=True):
        bare(ax, views.apply(view, films, found, config.SOURCE_SIZE)[0], colour)
        ax.set_title(name, loc="center", fontweight="normal", color=colour)


def members(part: SubFigure, table: pd.DataFrame) -> None:
    """AUROC of each member on three kinds of films, coloured by what it sees."""
    rows = table.sort_values("sees", ascending=False, kind="stable")
    colours = [config.ACCENT if sees == "the lungs cut out" else GREY for sees in rows["sees"]]
    columns = {"validation": "held-back films\n(validation)"}
    columns["against the stereotype"] = f"held-back films\n({HARSH})"
    columns["test"] = "new films\n(test)"
    axes = part.subplots(ncols=3, sharey=True)
    for ax, (column, title) in zip(axes, columns.items(), strict=True):
        _figures(ax, rows[column].to_numpy(), colours)
        ax.margins(y=0.2)
        ax.set_title(title, loc="center")
    axes[0].set_yticks(range(len(rows)), rows["sees"])
    for label, colour in zip(axes[0].get_yticklabels(), colours, strict=True):
        label.set_color(colour)
    axes[0].invert_yaxis()
    part.supxlabel("ranking (AUROC) of each member; right is better", fontsize=LEAST)


def _figures(ax: Axes, values: Sequence[float], colours: Sequence[str]) -> None:
    """A dot and its figure a row, where there is one."""
    known = [value for value in [*values, *ax.dataLim.intervalx] if np.isfinite(value)]
    least, span = min(known), max(np.ptp(known), 0.02)
    for place, (value, colour) in enumerate(zip(values, colours, strict=True)):
        side = 1 if value < least + span / 2 else -1
        at = {"xytext": (9 * side, 0), "textcoords": "offset points", "va": "center"}
        if np.isfinite(value):
            ax.plot(value, place, "o", color=colour, ms=8)
            end = "left" if side > 0 else "right"
            ax.annotate(metrics.short(value), (value, place), ha=end, color=colour, **at)
    ax.set(xlim=(least - 0.12 * span, least + 1.12 * span), xticks=[])
    ax.spines[["bottom", "left"]].set_visible(False)
    ax.tick_params(left=False)


def maps(part: SubFigure, told: Story) -> None:
    """Test films, and over them what spoke for the final network's call."""
    kinds = told.films.table[told.part("test")].groupby("subtype")
    rows = kinds.sample(2, random_state=config.SEED).index
    films, names = told.pictures[rows], told.films.table["subtype"][rows]
    seat = Study().run("final").ensemble()
    found = lungs.find(record.load_network(config.RESULTS, lungs.NAME), films)
    drawn = explain.maps(seat, films, found)
    # To hundredths of the brightest: the last digits vary from run to run.
    drawn = np.round(drawn / drawn.max(axis=(1, 2), keepdims=True), 2)
    for column, ((plain, over), name) in enumerate(
        zip(part.subplots(2, len(rows)).T, names, strict=True)
    ):
        bare(plain, films[column])
        plain.set_title(name, loc="center", fontweight="normal")
        decisions.overlay(over, films[column], drawn[column], found.masks[column])


KINDS = {"normal": "healthy", "pneumonia": "sick", "bacterial": "sick, bacterial"}
KINDS |= {"viral": "sick, viral"}


def kind_told(kind: str) -> str:
    """A kind of ``shift.errors`` in plain words: ``healthy, machine group 3``."""
    head, *group = kind.split(", group ")
    return KINDS[head] + (f", machine group {group[0]}" if group else ", all")


def kinds(table: pd.DataFrame) -> pd.DataFrame:
    """``shift.errors``, the healthy first, the whole before its groups."""
    names = [kind for _, kind in table.index]
    healthy = np.array([kind_told(name).startswith("healthy") for name in names])
    return table.iloc[np.argsort(~healthy, kind="stable")]


def failing(ax: Axes, table: pd.DataFrame) -> None:
    """Share called rightly by subtype and apparatus; ``table`` as ``shift.errors``."""
    shortcuts.errors_by_kind(table, ax)
    ax.set_title("")
    ax.set_yticks(range(len(table)), [kind_told(kind) for _, kind in table.index])
    low = min(0.3, table["low"].min())
    ax.set(xlim=(low, 1 + (1 - low) / 4))
    ax.set_xticks(np.arange(np.ceil(10 * low) / 10, 1.01, 0.1).round(1))
    ax.set_xlabel("share called rightly, 95% interval")


def peers(part: SubFigure, ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    """Published figures as dots, best ranking first, our interval as a band over them."""
    rows = theirs.sort_values("AUROC", ascending=False, na_position="last").head(MOST)
    names = [*(rows["study"] + ", " + rows["detail"]).map(_clipped), "this study, final network"]
    axes = part.subplots(ncols=len(PLAIN), sharey=True)
    for ax, (metric, name) in zip(axes, PLAIN.items(), strict=True):
        value, low, high = ours.loc[metric, ["value", "low", "high"]]
        ax.axvspan(low, high, color=config.ACCENT, alpha=0.15, lw=0)
        _figures(ax, [*rows[metric], value], [config.INK] * len(rows) + [config.ACCENT])
        ax.set_title(f"{name}\n({metric})", loc="center", fontweight="normal")
    axes[0].set_yticks(range(len(names)), names)
    axes[0].get_yticklabels()[-1].set(color=config.ACCENT, fontweight="bold")
    axes[0].invert_yaxis()


def _clipped(name: str, most: int = 42) -> str:
    """A name that leaves room for the dots."""
    return textwrap.shorten(name, most, placeholder=" …")
