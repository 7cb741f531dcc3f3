"""Figures of costs, calibration, referral, robustness, and of what networks rely on."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from helpers import config
from helpers.evaluation.metrics import short
from helpers.models.lungs import Found
from helpers.plotting import data, style
from helpers.plotting.style import Array, Panel, Panels, Tables
from helpers.shortcuts import perturbations


def cost_curve(curve: pd.DataFrame, blind: Mapping, marks: Mapping, ax: Panel = None) -> Axes:
    """Cost over the threshold; by name ``blind``, costs without a network, and ``marks`` on it."""
    (ax,) = style.panels(ax, 1, 1, 3.8)
    # Beyond the cheaper of the two ways to do without a network nobody would go.
    ceiling, best = 1.4 * min(blind.values()), short(curve["value"].idxmin(), 2)
    style.curve(ax, curve, color=config.ACCENT, lw=2, label="final network, test X-rays")
    for (name, cost), dash in zip(blind.items(), ("--", ":"), strict=True):
        if cost < ceiling:
            ax.axhline(cost, color=config.FAINT, lw=1.2, ls=dash, label=name)
    for (name, threshold), shape in zip(marks.items(), "osD^v", strict=False):
        cost = np.interp(threshold, curve.index, curve["value"])
        look = {"color": config.INK, "ms": 8, "label": f"{name} ({short(threshold, 2)})"}
        ax.plot(threshold, cost, shape, **look)
    ax.set_title(f"The cheapest threshold on the test X-rays, known only afterwards: {best}")
    ax.set(xlabel="threshold: probability from which a child is called sick", xlim=(0, 1))
    ax.set(ylabel="USD per 1,000 children", ylim=(0, ceiling))
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.legend()
    return ax


def reliability(tables: Tables, axes: Panels = None) -> Array:
    """What the network says against what is seen, one panel each; area of a dot: films."""
    axes = style.panels(axes, 1, len(tables), 3.5, sharey=True)
    for ax, (name, table) in zip(axes, tables.items(), strict=True):
        said, seen, films = table["said"], table["value"], table["films"]
        ax.axline((0, 0), slope=1, color=config.FAINT, lw=1)
        ax.vlines(said, table["low"], table["high"], color=config.INK, lw=1.5)
        ax.scatter(said, seen, 6 + films / 2, color=config.ACCENT, clip_on=False, zorder=3)
        apart = short(np.average((said - seen).abs(), weights=films))
        ax.set_title(f"{name}\napart by {apart}", loc="center", fontsize=11)
        ax.set(xlabel="probability it says", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes[0].set_ylabel("share with pneumonia, 95% interval")
    return axes


def referral_curve(curves: Tables, referred: float, decided: float, ax: Panel = None) -> Axes:
    """Accuracy on the films decided over the share referred, a line an order; marked the target."""
    best = max(table.loc[referred, "value"] for table in curves.values())
    (ax,) = style.panels(ax, 1, 1, 3.6)
    ax.set_title(f"With {referred:.0%} referred, {best:.1%} of the rest are called rightly")
    for (name, table), colour in zip(curves.items(), (config.ACCENT, style.GREY), strict=False):
        style.curve(ax, table, color=colour, lw=2, label=name)
    ax.plot(referred, decided, "*", color=config.INK, ms=12, label="target")
    ax.set(xlabel="share of the X-rays referred to a radiologist", ylabel="accuracy on the rest")
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.legend(loc="lower right")
    return ax


def robustness(tables: Tables, metric: str = "AUROC", axes: Panels = None) -> Array:
    """One panel a corruption: the metric over its strength, a line a network."""
    last = list(tables.values())[-1].loc[list(perturbations.CORRUPTIONS), metric]
    (worst, strength), low = last.idxmin(), short(last.min())
    title = f"The final network's lowest {metric} is {low} ({worst}, strength {strength})"
    axes = style.panels(axes, 2, 4, 4.4, title, sharex=True, sharey=True)
    for ax, name in zip(axes, perturbations.CORRUPTIONS, strict=True):
        for network, line in style.network_styles(list(tables)).items():
            ax.plot(tables[network].loc[name, metric], "o", ms=3.5, label=network, **line)
        ax.set_title(name, loc="center", fontsize=11, fontweight="normal")
    axes[0].legend(loc="lower left")
    axes[0].figure.supxlabel("strength (0: the X-ray as it is)")
    axes[0].figure.supylabel(f"{metric}, test X-rays")
    return axes


def answer(
    pixels: Array, found: Found, heat: Array, facts: Mapping, threshold: float, axes: Panels = None
) -> Array:
    """One film with the box of its lungs, and the map; ``facts`` as ``Answer.facts`` gives them."""
    said, called = (short(p, 2) for p in (facts["probability"], threshold))
    ask = "; ask a radiologist" if facts["refer"] else ""
    title = f"{facts['decision']}: probability {said}, called from {called} on{ask}"
    captions = ["the film, and the box around the lungs", "bright: what spoke for the call"]
    drawn = {"mask": [None, found.masks[0]], "box": [found.boxes[0], None], "heat": [None, heat]}
    axes = data.films([pixels] * 2, 2, title, axes=axes, caption=captions, **drawn)
    note = "Not a medical device: films of one hospital, children of one to five years"
    axes[0].figure.supxlabel(note)
    return axes
