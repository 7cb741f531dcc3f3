"""Figures of chapters 8 and 9: costs, calibration, what breaks the network, where it looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from helpers import config
from helpers.evaluation import metrics
from helpers.experiments import bench
from helpers.models.lungs import Found
from helpers.plotting import style
from helpers.plotting.shortcuts import LUNG
from helpers.shortcuts import perturbations

MAP = "inferno"  # even in brightness, so that it reads in grey as well


def _band(ax: Axes, table: pd.DataFrame, colour: str, label: str, **line: object) -> None:
    """A curve with its 95% limits."""
    ax.fill_between(table.index, table["low"], table["high"], color=colour, alpha=0.15, lw=0)
    ax.plot(table.index, table["value"], color=colour, label=label, **line)


def _colours(titles: Sequence[str]) -> dict[str, str]:
    """Greys, the last in the accent."""
    return {t: config.ACCENT if t == list(titles)[-1] else "#666666" for t in titles}


def _told(name: str, threshold: float) -> str:
    """A threshold in a legend: ``a half (.50)``"""
    return f"{name} ({metrics.short(threshold, 2)})"


# -- the operating point ---------------------------------------------------------------------


def cost_curve(
    curve: pd.DataFrame,
    blind: Mapping[str, float],
    marks: Mapping[str, float],
    ax: Axes | None = None,
) -> Axes:
    """Expected cost per 1,000 children over the threshold, with operating points marked.

    ``curve`` and ``blind`` as ``costs`` gives them; ``marks`` are thresholds by name.
    """
    ax = style.axes_or_new(ax, height=3.8)
    _band(ax, curve, config.ACCENT, "final network, test films", lw=2)
    # Beyond the cheaper of the two ways to do without a network nobody would go.
    ceiling = 1.4 * min(blind.values())
    for (name, cost), dash in zip(blind.items(), ("--", ":"), strict=True):
        if cost < ceiling:
            ax.axhline(cost, color=config.FAINT, ls=dash, label=name)
    for (name, threshold), shape in zip(marks.items(), "osD^v", strict=False):
        cost = np.interp(threshold, curve.index, curve["value"])
        ax.plot(threshold, cost, shape, color=config.INK, ms=8, label=_told(name, threshold))
    best = metrics.short(curve["value"].idxmin(), 2)
    ax.set_title(f"The cheapest threshold on the test films, known only afterwards: {best}")
    ax.set(
        xlabel="threshold: probability from which a film is called",
        ylabel="USD per 1,000 children",
        xlim=(0, 1),
        ylim=(0, ceiling),
    )
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.legend(fontsize=9)
    return ax


def reliability(
    tables: Mapping[str, pd.DataFrame], axes: Sequence[Axes] | None = None
) -> list[Axes]:
    """What the network says against what is seen, one panel each; area of a dot: films.

    ``tables`` as ``calibration.reliability``, by title.
    """
    if axes is None:
        _, axes = plt.subplots(
            ncols=len(tables), figsize=(style.WIDTH, 3.5), sharey=True, squeeze=False
        )
    for ax, (name, table) in zip(np.ravel(axes), tables.items(), strict=True):
        ax.plot([0, 1], [0, 1], color=config.FAINT, lw=1)
        ax.vlines(table["said"], table["low"], table["high"], color=config.INK, lw=1.5)
        ax.scatter(
            table["said"],
            table["value"],
            s=6 + table["films"] / 2,
            color=config.ACCENT,
            clip_on=False,
            zorder=3,
        )
        apart = np.average((table["said"] - table["value"]).abs(), weights=table["films"])
        ax.set_title(f"{name}\napart by {metrics.short(apart)}", loc="center", fontsize=11)
        ax.set(xlabel="probability it says", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    first = np.ravel(axes)[0]
    first.set_ylabel("share with pneumonia, 95% interval")
    return list(np.ravel(axes))


def decision_curve(tables: Mapping[str, pd.DataFrame], ax: Axes | None = None) -> Axes:
    """Decision curves (net benefit over the treatment threshold) by the networks' titles."""
    ax = style.axes_or_new(ax, height=3.8)
    colours = _colours(list(tables))
    for name, table in tables.items():
        _band(ax, table, colours[name], name, lw=2)
    everybody = next(iter(tables.values()))["everybody"]
    ax.plot(everybody.index, everybody, color=config.FAINT, ls="--", label="treat everybody")
    ax.axhline(0, color=config.INK, lw=0.8, label="treat nobody")
    last = list(tables.values())[-1]
    useful = last.index[last["low"] > np.maximum(last["everybody"], 0)]
    ends = [metrics.short(end, 2) for end in (useful.min(), useful.max())]
    reach = f"from {ends[0]} to {ends[1]}" if len(useful) else "nowhere"
    ax.set_title(f"Better than treating all or none beyond doubt: {reach}")
    ax.set(
        xlabel="probability of pneumonia from which one would treat",
        ylabel="net benefit, children of one",
        xlim=(0, 1),
        ylim=(-0.05, 1.1 * everybody.max()),
    )
    ax.legend(fontsize=9)
    return ax


def predictive_values(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """PPV and NPV over prevalence with limits; ``table`` as ``costs.predictive``."""
    ax = style.axes_or_new(ax, height=3.4)
    for measure, colour in (
        ("PPV", config.COLOURS["PNEUMONIA"]),
        ("NPV", config.COLOURS["NORMAL"]),
    ):
        label = {"PPV": "called sick, is sick (PPV)", "NPV": "called healthy, is healthy (NPV)"}
        _band(ax, table[measure], colour, label[measure], lw=2, marker="o", ms=4)
    rare = table.index[0]
    ax.set_title(
        f"Where {rare:.0%} are sick, {table.loc[rare, ('PPV', 'value')]:.0%} of the calls are right"
    )
    ax.set(
        xlabel="prevalence: share of the children with pneumonia", ylabel="share", ylim=(0, 1.02)
    )
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    ax.legend(fontsize=9)
    return ax


# -- can it be trusted -----------------------------------------------------------------------


def robustness(tables: Mapping[str, pd.DataFrame], metric: str = "AUROC") -> Figure:
    """One panel a corruption: the metric over its strength, a line a network.

    ``tables`` as ``trust_tables.robustness``, by title.
    """
    figure, axes = plt.subplots(2, 4, figsize=(style.WIDTH, 4.4), sharex=True, sharey=True)
    colours = _colours(list(tables))
    for ax, name in zip(axes.flat, perturbations.CORRUPTIONS, strict=True):
        for title, table in tables.items():
            ax.plot(
                table.loc[name].index,
                table.loc[name, metric],
                "o-",
                ms=3.5,
                color=colours[title],
                label=title,
            )
        ax.set_title(name, loc="center", fontsize=11, fontweight="normal")
    axes[0, 0].legend(fontsize=9, loc="lower left")
    figure.supxlabel("strength (0: the film as it is)", fontsize=10)
    figure.supylabel(f"{metric}, test films", fontsize=10)
    last = list(tables.values())[-1][metric].drop(
        list(perturbations.STORAGE_ERRORS), level="corruption"
    )
    worst, low = last.idxmin(), last.min()
    figure.suptitle(
        f"The final network's lowest {metric} is {metrics.short(low)} ({worst[0]}, strength "
        f"{worst[1]})",
        fontweight="bold",
        x=0.01,
        ha="left",
    )
    return figure


def maps(
    pictures: np.ndarray, masks: np.ndarray, maps: Mapping[str, np.ndarray], captions: Sequence[str]
) -> Figure:
    """Films (columns) as they are, then with each network's map (rows) and the lungs' outline."""
    rows, count, captions = len(maps) + 1, len(pictures), list(captions)
    side = style.WIDTH / count
    figure, axes = plt.subplots(rows, count, figsize=(style.WIDTH, rows * side * 1.08))
    for column, picture in enumerate(pictures):
        _film(axes[0, column], picture)
        axes[0, column].set_title(captions[column], fontsize=9, fontweight="normal", loc="center")
        for row, one in enumerate(maps.values(), start=1):
            overlay(axes[row, column], picture, one[column], masks[column])
    for ax, name in zip(axes[:, 0], ("the film", *maps), strict=True):
        ax.set_ylabel(name, fontsize=10)
    figure.suptitle(
        "Bright: what spoke for the call; blue: the lungs", fontweight="bold", x=0.01, ha="left"
    )
    said = (
        f"{count} chest films ({', '.join(captions)}) in the top row; below them the same with a "
        f"patch of light over what spoke for the call of {' and '.join(maps)}, and a line around "
        "the lungs"
    )
    return style.set_alt(figure, said)


def _film(ax: Axes, picture: np.ndarray) -> None:
    ax.imshow(picture, cmap="gray", vmin=0, vmax=255)
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)


def overlay(ax: Axes, picture: np.ndarray, one: np.ndarray, mask: np.ndarray) -> Axes:
    """One film with a map (SIDE, SIDE) over it and the outline of the lungs."""
    _film(ax, picture)
    side = len(picture)
    ax.imshow(one, cmap=MAP, alpha=0.45, extent=(-0.5, side - 0.5, side - 0.5, -0.5))
    place = (np.arange(len(mask)) + 0.5) * side / len(mask) - 0.5
    if mask.any():
        ax.contour(place, place, mask, levels=[0.5], colors=LUNG, linewidths=1)
    return ax


def worst_errors(
    pictures: np.ndarray, masks: np.ndarray, maps: np.ndarray, table: pd.DataFrame, columns: int = 6
) -> Figure:
    """Films called wrongly, worst first, with map, outline, and what is known of them.

    ``table`` as ``trust_tables.error_films``, in the order of ``pictures``.
    """
    rows, side = -(-len(pictures) // columns), style.WIDTH / columns
    figure, axes = plt.subplots(
        rows, columns, figsize=(style.WIDTH, rows * (side + 0.62)), squeeze=False
    )
    for ax in axes.flat[len(pictures) :]:
        ax.set_axis_off()
    for ax, picture, one, mask, (_, film) in zip(
        axes.flat, pictures, maps, masks, table.iterrows(), strict=False
    ):
        overlay(ax, picture, one, mask)
        remark = film["remark"].replace(", ", "\n", 1)
        ax.set_title(
            f"{film['subtype']}, says {metrics.short(film['probability'], 2)}\n{remark}",
            fontsize=8,
            fontweight="normal",
            loc="center",
        )
        for spine in ax.spines.values():
            spine.set(visible=True, color=config.COLOURS[film["label"]], linewidth=3)
    alarms = int((table["y"] == 0).sum())
    figure.suptitle(
        f"The most confident errors: {alarms} false alarms, {len(table) - alarms} misses",
        fontweight="bold",
        x=0.01,
        ha="left",
    )
    return figure


def referral_curve(
    curves: Mapping[str, pd.DataFrame], referred: float, decided: float, ax: Axes | None = None
) -> Axes:
    """Accuracy on the films decided over the share referred, a line an order.

    ``curves`` as ``referral.curve``, by order; the target is marked.
    """
    ax = style.axes_or_new(ax, height=3.6)
    for (name, table), colour in zip(curves.items(), (config.ACCENT, "#666666"), strict=False):
        _band(ax, table, colour, name, lw=2)
    ax.plot(referred, decided, "*", color=config.INK, ms=12, label="to be reached")
    best = max(table.loc[referred, "value"] for table in curves.values())
    ax.set_title(f"With {referred:.0%} referred, accuracy on the rest is at most {best:.1%}")
    ax.set(xlabel="share of the films referred to a radiologist", ylabel="accuracy on the rest")
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.legend(fontsize=9, loc="lower right")
    return ax


def ablations(made: Mapping[str, np.ndarray], says: Mapping[str, Mapping[str, float]]) -> Figure:
    """One film under each change, with what each network says of it.

    ``made`` films by change; ``says`` probabilities by network and change.
    """
    figure, axes = plt.subplots(
        ncols=len(made), figsize=(style.WIDTH, style.WIDTH / len(made) * 1.75)
    )
    for ax, (change, film) in zip(axes, made.items(), strict=True):
        _film(ax, film)
        words = change.replace(" blacked", "\nblacked").replace("marker ", "marker\n")
        words = words.replace("border ", "border\n").replace("as it is", "as it is\n")
        ax.set_title(
            words.replace("the lungs\n", "lungs\n"), fontsize=9, fontweight="normal", loc="center"
        )
        told = [f"{title} {metrics.short(p[change], 2)}" for title, p in says.items()]
        ax.set_xlabel("\n".join(told), fontsize=9)
    plain = {title: p[bench.PLAIN] for title, p in says.items()}
    blind = {title: p["lungs blacked out"] for title, p in says.items()}
    moved = {title: abs(plain[title] - blind[title]) for title in plain}
    most = max(moved, key=moved.get)
    figure.suptitle(
        f"Blacking out the lungs moves {most} most ({metrics.short(moved[most], 2)})",
        fontweight="bold",
        x=0.01,
        ha="left",
    )
    told = "; ".join(
        f"{title}: " + ", ".join(f"{change} {metrics.short(p[change], 2)}" for change in made)
        for title, p in says.items()
    )
    return style.set_alt(
        figure, f"One film, changed, and the probability each network gives. {told}"
    )


def answer(
    pixels: np.ndarray,
    found: Found,
    told: np.ndarray,
    facts: Mapping[str, object],
    threshold: float,
) -> Figure:
    """One film, its lungs with their box, and what spoke for the call.

    ``told`` is the map (SIDE, SIDE), ``facts`` as ``predict.Answer.facts``.
    """
    figure, axes = plt.subplots(ncols=2, figsize=(style.WIDTH, 4.9))
    _film(axes[0], pixels)
    side = len(pixels)
    top, bottom, left, right = found.boxes[0] * side
    axes[0].plot([left, right, right, left, left], [top, top, bottom, bottom, top], color=LUNG)
    axes[0].set(xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5))
    axes[0].set_title("the film, and the box around the lungs", fontsize=11)
    overlay(axes[1], pixels, told, found.masks[0])
    axes[1].set_title("bright: what spoke for the call", fontsize=11)
    ask = "; ask a radiologist" if facts["refer"] else ""
    figure.suptitle(
        f"{facts['decision']}: probability {metrics.short(facts['probability'], 2)}, called "
        f"from {metrics.short(threshold, 2)} on{ask}",
        fontweight="bold",
        x=0.01,
        ha="left",
    )
    figure.supxlabel(
        "Not a medical device: films of one hospital, children of one to five years", fontsize=9
    )
    return figure
