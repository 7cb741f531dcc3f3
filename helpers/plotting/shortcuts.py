"""Figures of the acquisition groups, what networks see, trials, ranks and kinds of errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from helpers import config
from helpers.evaluation import metrics as evaluation
from helpers.models import views
from helpers.models.lungs import Found
from helpers.plotting import data, style
from helpers.plotting.results import network_styles
from helpers.plotting.style import Array, Panel, Panels
from helpers.shortcuts import perturbations

TRIALS = ("validation AUROC", "stress AUROC", "stress specificity")


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
        data.films(pictures[drawn.index], axes=axes[first : first + each], label=drawn["label"])
        axes[first].set_ylabel(f"group {group}\n{share:.0%} sick", fontsize=9)
    return axes


def views_shown(pictures: Array, found: Found, axes: Panels = None) -> Array:
    """Films (rows) as the trials' networks are shown them (columns)."""
    names = ("film", "ring", "without_lungs", "box", "lungs_only")
    captions = ["the film", "its border ring", "all but the lungs", "the lungs cut out"]
    captions += ["all but lungs blacked out"] + [""] * len(names) * (len(pictures) - 1)
    seen = [views.apply(name, pictures, found, config.SOURCE_SIZE) for name in names]
    rows = np.concatenate(list(zip(*seen, strict=True)))
    return data.films(rows, 5, "What the witnesses were shown", axes=axes, caption=captions)


def outlines(
    pictures: Array, found: Found, labels: Sequence[str], title: str, axes: Panels = None
) -> Array:
    """Films with the outline and the box of the lungs that were found."""
    alt = f"{len(pictures)} chest films; both lungs were found in {np.sum(found.ok)} of them"
    drawn = {"label": labels, "mask": found.masks, "box": found.boxes}
    return data.films(pictures, 6, title, alt, axes, **drawn)


def counterfactuals(film: Array, donor: Array, axes: Panels = None) -> Array:
    """One film, its donor, and the film with each thing taken from the donor."""
    changes = perturbations.COUNTERFACTUALS.items()
    made = {"the film": film, "the donor": donor}
    made |= {f"donor's {name}": change(film, donor) for name, change in changes}
    title = "The same lungs from another acquisition group"
    return data.films(list(made.values()), len(made), title, axes=axes, caption=list(made))


def trials(seeds: pd.DataFrame, order: Sequence[str], chosen: str, axes: Panels = None) -> Array:
    """Each trial's seeds (dots) and mean (bar) on ordinary and on stress validation."""
    axes = style.panels(axes, 1, 3, 0.3 * len(order) + 1.3, sharey=True)
    colours = {name: config.ACCENT if name == chosen else config.INK for name in order}
    bar = {"marker": "|", "markersize": 14, "markeredgewidth": 2.5, "linestyle": "none"}
    for ax, metric in zip(axes, TRIALS, strict=True):
        drawn = {"y": "trial", "order": order, "hue": "trial", "palette": colours, "ax": ax}
        sns.stripplot(seeds, x=metric, alpha=0.5, jitter=False, legend=False, **drawn)
        sns.pointplot(seeds, x=metric, errorbar=None, legend=False, **drawn, **bar)
        span = np.ptp(seeds.groupby("trial")[metric].mean())
        ax.set_title(f"{metric}\nspans {evaluation.short(span)}", loc="center")
        ax.set(xlabel="", ylabel="")
    axes[0].figure.supxlabel("dot: one training, bar: their mean")
    return axes


def ranks(table: pd.DataFrame, ax: Panel = None) -> Axes:
    """AUROC of each network (row) on validation, stress validation and test films, by lines."""
    spans = [evaluation.short(span) for span in table.max() - table.min()]
    title = "Validation spreads the networks over {}, stress over {}, the test over {}"
    (ax,) = style.panels(ax, 1, 1, 4.0)
    ax.set(title=title.format(*spans), ylabel="AUROC", xlim=(-0.2, 2.75))
    for name, line in network_styles(list(table.index)).items():
        ax.plot(range(3), table.loc[name], marker="o", label=name, **line)
    ax.set_xticks(range(3), ["validation films", "stress validation", "test films"])
    ax.legend(loc="upper right")
    return ax


def errors_by_kind(table: pd.DataFrame, ax: Panel = None) -> Axes:
    """Share called rightly and number of films, a row a kind (level 1) by what it is one (0)."""
    (ax,) = style.panels(ax, 1, 1, 0.36 * len(table) + 0.9)
    sick = table.index.get_level_values(1).str.match("bacteria|vir|pneumonia")
    colours = np.where(sick, config.COLOURS["PNEUMONIA"], config.COLOURS["NORMAL"])
    style.intervals(ax, table.set_axis(table.index.map(": ".join)), colours)
    for row, films in enumerate(table["films"]):
        ax.annotate(f"{films:.0f} films", (1.03, row), va="center", fontsize=9, color=style.GREY)
    worst = table[table["films"] >= 20]["value"].idxmin()[1]
    ax.set_title(f"Weakest of the kinds with 20 films or more: {worst}")
    ax.set_xlabel("share called rightly, 95% interval")
    ax.set_xlim(min(0.5, table["low"].min()) - 0.03, 1.16)
    return ax
