"""Figures of the films: examples, means, counts, acquisition groups, and what networks see."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from helpers import config
from helpers.models import views
from helpers.models.lungs import Found
from helpers.plotting import style
from helpers.plotting.style import Array, Panel, Panels
from helpers.shortcuts import perturbations

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


SEEN = {
    "NORMAL": "Eight chest films: two dark lungs, ribs and diaphragm drawn sharply",
    "PNEUMONIA": "Eight chest films: grey or white patches hide parts of the lungs, dense and on "
    "one side in some of the upper row, a veil over both in some of the lower",
}


def examples(table: pd.DataFrame, pictures: Array, label: str) -> Array:
    """Eight films of one class, each of another child; ``table`` holds their facts, row by row."""
    rows = table.reset_index(drop=True).query("label == @label").drop_duplicates("patient")
    kinds = rows.groupby("subtype")
    drawn = pd.concat(kind.sample(8 // len(kinds), random_state=config.SEED) for _, kind in kinds)
    title, caption = "Pneumonia: bacterial (upper row) and viral (lower row)", drawn["subtype"]
    if label == "NORMAL":
        title, caption = "No pneumonia: dark lungs, sharp edges", drawn["film"]
    chosen, labels = pictures[drawn.index], drawn["label"]
    return films(chosen, 4, title, SEEN[label], caption=caption, label=labels)


def mean_films(pictures: Array, labels: Array, axes: Panels = None) -> Array:
    """Mean film of each class and their difference, with a colour bar in grey levels (0..255)."""
    normal, sick = (pictures[labels == value].mean(axis=0) for value in (0, 1))
    reach = np.abs(sick - normal).max()
    title = f"On average the classes differ by up to {reach:.0f} of 255 grey levels"
    alt = "Two mean films and, in colour, their difference, beyond the lungs in flanks and corners"
    captions = ("mean NORMAL film", "mean PNEUMONIA film", "PNEUMONIA − NORMAL")
    axes = films([normal, sick, normal], 3, title, alt, axes, caption=captions)
    shown = axes[2].imshow(sick - normal, cmap="PuOr_r", vmin=-60, vmax=60, extent=(0, 1, 1, 0))
    axes[2].figure.colorbar(shown, ax=axes[2], label="grey levels", shrink=0.8)
    return axes


def class_balance(counts: pd.DataFrame, ax: Panel = None) -> Axes:
    """Films by part and subtype as stacked bars; ``counts`` as ``manifest.counts`` gives it."""
    (ax,) = style.panels(ax, 1, 1, 2.8)
    shares = counts[list(config.SUBTYPES)].div(counts["total"], axis=0).iloc[::-1]
    shares.plot.barh(stacked=True, width=0.8, color=config.SUBTYPE_COLOURS, grid=False, ax=ax)
    for bars, (subtype, colour) in zip(ax.containers, config.SUBTYPE_COLOURS.items(), strict=True):
        if subtype == "viral":  # the same grey as bacterial where there is no colour
            plt.setp(bars, hatch="///", edgecolor="white")
        numbers = [f"{n:,}" if n else "" for n in counts[subtype].iloc[::-1]]
        look = {"color": "white" if subtype == "normal" else config.INK, "label_type": "center"}
        ax.bar_label(bars, numbers, bbox={"facecolor": colour, "lw": 0, "pad": 1.5}, **look)
    parts = ", ".join(f"{part} {share:.0%}" for part, share in counts["prevalence"].items())
    ax.set(title=f"Share of films with pneumonia: {parts}", xlim=(0, 1), ylabel="")
    ax.set_xlabel("share of the films (number of films in the bars)")
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.28))
    return ax


def films_per_patient(table: pd.DataFrame, ax: Panel = None) -> Axes:
    """How many films the patients have; a random split by film would tear the right side apart."""
    (ax,) = style.panels(ax, 1, 1, 2.8)
    per_patient = table.groupby("patient").size()
    several = per_patient[per_patient > 1].sum() / len(table)
    counts = per_patient.clip(upper=8).value_counts().sort_index().rename({8: "8 or more"})
    counts.plot.bar(rot=0, width=0.8, color=config.INK, logy=True, grid=False, ax=ax)
    ax.bar_label(ax.containers[0], fmt="{:,.0f}")
    title = f"{several:.0%} of the films belong to a child with several films"
    ax.set(title=title, xlabel="films of one patient", ylabel="patients (logarithmic)")
    ax.margins(y=0.12)
    return ax


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


def views_shown(pictures: Array, found: Found, axes: Panels = None) -> Array:
    """Films (rows) as the trials' networks are shown them (columns)."""
    names = ("film", "ring", "without_lungs", "box", "lungs_only")
    captions = ["the film", "its border ring", "all but the lungs", "the lungs cut out"]
    captions += ["all but lungs blacked out"] + [""] * len(names) * (len(pictures) - 1)
    seen = [views.apply(name, pictures, found, config.SOURCE_SIZE) for name in names]
    rows = np.concatenate(list(zip(*seen, strict=True)))
    return films(rows, 5, "What the witnesses were shown", axes=axes, caption=captions)


def outlines(
    pictures: Array, found: Found, labels: Sequence[str], title: str, axes: Panels = None
) -> Array:
    """Films with the outline and the box of the lungs that were found."""
    alt = f"{len(pictures)} chest films; both lungs were found in {np.sum(found.ok)} of them"
    drawn = {"label": labels, "mask": found.masks, "box": found.boxes}
    return films(pictures, 6, title, alt, axes, **drawn)


def counterfactuals(film: Array, donor: Array, axes: Panels = None) -> Array:
    """One film, its donor, and the film with each thing taken from the donor."""
    changes = perturbations.COUNTERFACTUALS.items()
    made = {"the film": film, "the donor": donor}
    made |= {f"donor's {name}": change(film, donor) for name, change in changes}
    title = "The same lungs from another acquisition group"
    return films(list(made.values()), len(made), title, axes=axes, caption=list(made))
