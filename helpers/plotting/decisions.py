"""Figures of costs, calibration, referral, robustness, and of what networks rely on."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence

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
    style.curve(ax, curve, color=config.ACCENT, lw=2, label="final network, test films")
    for (name, cost), dash in zip(blind.items(), ("--", ":"), strict=True):
        if cost < ceiling:
            ax.axhline(cost, color=config.FAINT, lw=1.2, ls=dash, label=name)
    for (name, threshold), shape in zip(marks.items(), "osD^v", strict=False):
        cost = np.interp(threshold, curve.index, curve["value"])
        look = {"color": config.INK, "ms": 8, "label": f"{name} ({short(threshold, 2)})"}
        ax.plot(threshold, cost, shape, **look)
    ax.set_title(f"The cheapest threshold on the test films, known only afterwards: {best}")
    ax.set(xlabel="threshold: probability from which a film is called", xlim=(0, 1))
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


def decision_curve(tables: Tables, ax: Panel = None) -> Axes:
    """Net benefit over the threshold from which one would treat, a line a network."""
    last = list(tables.values())[-1]
    everybody = last["everybody"]
    useful = last.index[last["low"] > np.maximum(everybody, 0)]
    ends = f"from {short(useful.min(), 2)} to {short(useful.max(), 2)}"
    reach = ends if len(useful) else "nowhere"
    (ax,) = style.panels(ax, 1, 1, 3.8)
    ax.set_title(f"Better than treating all or none beyond doubt: {reach}")
    for name, line in style.network_styles(list(tables)).items():
        style.curve(ax, tables[name], label=name, **line)
    ax.plot(everybody, color=config.FAINT, ls="--", label="treat everybody")
    ax.axhline(0, color=config.INK, lw=0.8, label="treat nobody")
    ax.set(xlabel="probability of pneumonia from which one would treat", xlim=(0, 1))
    ax.set(ylabel="net benefit, children of one", ylim=(-0.05, 1.1 * everybody.max()))
    ax.legend()
    return ax


def predictive_values(table: pd.DataFrame, ax: Panel = None) -> Axes:
    """PPV and NPV over the prevalence, with their limits."""
    rare, right = table.index[0], table["PPV"]["value"].iloc[0]
    (ax,) = style.panels(ax, 1, 1, 3.4)
    ax.set_title(f"Where {rare:.0%} are sick, {right:.0%} of the calls are right")
    names = {"PPV": "called sick, is sick (PPV)", "NPV": "called healthy, is healthy (NPV)"}
    for (measure, label), name in zip(names.items(), ("PNEUMONIA", "NORMAL"), strict=True):
        line = {"color": config.COLOURS[name], "lw": 2, "marker": "o", "ms": 4}
        style.curve(ax, table[measure], label=label, **line)
    ax.set(xlabel="prevalence: share of the children with pneumonia", ylabel="share")
    ax.set_ylim(0, 1.02)
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.yaxis.set_major_formatter("{x:.0%}")
    ax.legend()
    return ax


def referral_curve(curves: Tables, referred: float, decided: float, ax: Panel = None) -> Axes:
    """Accuracy on the films decided over the share referred, a line an order; marked the target."""
    best = max(table.loc[referred, "value"] for table in curves.values())
    (ax,) = style.panels(ax, 1, 1, 3.6)
    ax.set_title(f"With {referred:.0%} referred, accuracy on the rest is at most {best:.1%}")
    for (name, table), colour in zip(curves.items(), (config.ACCENT, style.GREY), strict=False):
        style.curve(ax, table, color=colour, lw=2, label=name)
    ax.plot(referred, decided, "*", color=config.INK, ms=12, label="to be reached")
    ax.set(xlabel="share of the films referred to a radiologist", ylabel="accuracy on the rest")
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
    axes[0].figure.supxlabel("strength (0: the film as it is)")
    axes[0].figure.supylabel(f"{metric}, test films")
    return axes


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


def ablations(made: Mapping[str, Array], says: Mapping[str, Mapping], axes: Panels = None) -> Array:
    """One film under each change, the first none, with what each network says of it."""
    plain, blind = next(iter(made)), "lungs blacked out"
    moved = {name: abs(p[plain] - p[blind]) for name, p in says.items()}
    most = max(moved, key=moved.get)
    title = f"Blacking out the lungs moves {most} most ({short(moved[most], 2)})"
    captions = [
        "\n".join([textwrap.fill(c, 17), *(f"{name} {short(p[c], 2)}" for name, p in says.items())])
        for c in made
    ]
    return data.films(list(made.values()), len(made), title, axes=axes, caption=captions)


def maps(
    pictures: Array, masks: Array, heats: dict[str, Array], captions: Sequence, axes: Panels = None
) -> Array:
    """Films (columns) as they are, then with each network's map (rows) and the lungs' outline."""
    count, plain = len(pictures), [None] * len(pictures)
    alt = f"{count} films ({', '.join(captions)}), and below the maps of {' and '.join(heats)}"
    drawn = {
        "caption": [*captions] + [""] * count * len(heats),
        "heat": plain + [*itertools.chain(*heats.values())],
        "mask": plain + [*masks] * len(heats),
    }
    title = "Bright: what spoke for the call; blue: the lungs"
    axes = data.films([*pictures] * (len(heats) + 1), count, title, alt, axes, **drawn)
    for ax, name in zip(axes[::count], ("the film", *heats), strict=True):
        ax.set_ylabel(name, fontsize=10)
    return axes


def worst_errors(
    pictures: Array, masks: Array, heats: Array, table: pd.DataFrame, axes: Panels = None
) -> Array:
    """Films called wrongly, worst first, with map, outline, and what ``table`` knows of them."""
    captions = [
        f"{film.subtype}, says {short(film.probability, 2)}\n{textwrap.fill(film.remark, 21)}"
        for film in table.itertuples()
    ]
    alarms = int((table["y"] == 0).sum())
    title = f"The most confident errors: {alarms} false alarms, {len(table) - alarms} misses"
    drawn = {"caption": captions, "label": table["label"], "mask": masks, "heat": heats}
    return data.films(pictures, 6, title, axes=axes, **drawn)


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
