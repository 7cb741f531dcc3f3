"""Figures of the networks' results: of one network, and of estimates of all by their titles."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from helpers import config
from helpers.evaluation import metrics as evaluation
from helpers.evaluation.metrics import short
from helpers.evaluation.thresholds import CONVENTION
from helpers.plotting import style
from helpers.plotting.style import Array, Panel, Panels, Tables
from helpers.training.study import Result

METRICS = ["AUROC", "accuracy", "sensitivity", "specificity"]


def loss(result: Result, ax: Panel = None) -> Axes:
    """Loss by epoch, a dot where weights are kept; thick what answers for the network."""
    (ax,), members = style.panels(ax, 1, 1, 2.6), result.recipe.average
    for seed, rows in result.history.groupby("seed"):
        width = 1.1 if members else 1.8 if seed == result.chosen else 0.6
        hidden = "" if seed == result.chosen else "_"  # from the legend
        for name, colour in {"loss": config.FAINT, "val_loss": config.INK}.items():
            label = hidden + ("validation" if name.startswith("val") else "training")
            ax.plot(rows["epoch"], rows[name], color=colour, lw=width, zorder=width, label=label)
        kept = rows["val_loss"].idxmin() if result.recipe.take == "best" else rows.index[-1]
        ax.plot(*rows.loc[kept, ["epoch", "val_loss"]], "o", color=config.INK, ms=4 * width)
    finding = f"validation loss is lowest at epoch {result.best_epoch}"
    if members:
        finding = f"{len(result.recipe.seeds)} members, with their {result.recipe.take} weights"
    cut = " (axis ends at 0.8)" if ax.get_ylim()[1] > 0.8 else ""
    ax.set(title=f"{result.recipe.title}: {finding}", xlabel="epoch", ylabel=f"loss{cut}")
    ax.set(xlim=(0, result.recipe.epochs + 0.5), ylim=(0, min(ax.get_ylim()[1], 0.8)))
    ax.legend(loc="upper right", ncols=2)
    return ax


def confusions(scores: Tables, title: str, axes: Panels = None) -> Array:
    """Confusion matrices of all networks at 0.5: number and share of the true class."""
    rows = -(-len(scores) // 5)
    axes = style.panels(axes, rows, 5, 2.1 * rows + 0.6, title)
    for number, (ax, (name, table)) in enumerate(zip(axes, scores.items(), strict=False)):
        counts = evaluation.confusion(table, CONVENTION).set_axis(["normal", "sick"])
        counts.columns = counts.index
        shares = counts.div(counts.sum(axis=1), axis=0)
        text = counts.map("{:,}\n".format) + shares.map("{:.1%}".format)
        look = {"cmap": "Greys", "vmin": 0, "vmax": 1, "cbar": False, "linewidths": 2}
        sns.heatmap(shares, annot=text, fmt="", annot_kws={"fontsize": 9}, ax=ax, **look)
        ax.set_title(name, loc="center", fontsize=11)
        ax.tick_params(labelleft=number % 5 == 0, labelbottom=number + 5 >= len(scores), length=0)
        (_, alarms), (missed, _) = counts.to_numpy()
        ax.alt = f"{alarms:,} of the healthy called sick, {missed:,} of the sick missed"
    for ax in axes[len(scores) :]:
        ax.set_axis_off()
    axes[0].figure.supxlabel("the network says")
    axes[0].figure.supylabel("the label says")
    return axes


def _across(estimates: Tables, metric: str) -> pd.DataFrame:
    """One metric of all networks: value, low and high by title."""
    return pd.DataFrame({name: table.loc[metric] for name, table in estimates.items()}).T


def _with_limits(ax: Axes, x: Sequence[object], table: pd.DataFrame, **line: object) -> None:
    """A line through the values of ``table``, each with its interval."""
    reach = [table["value"] - table["low"], table["high"] - table["value"]]
    ax.errorbar(x, table["value"], yerr=reach, marker="o", **line)


def validation_against_test(validation: Tables, test: Tables, axes: Panels = None) -> Array:
    """Slopes from validation to test, one line a network with its 95% intervals."""
    axes = style.panels(axes, 1, 3, 3.8)
    for ax, metric in zip(axes, ("AUROC", "sensitivity", "specificity"), strict=True):
        before, after = (_across(estimates, metric) for estimates in (validation, test))
        for position, (name, line) in enumerate(style.network_styles(list(test)).items()):
            x = np.array([0, 1]) + 0.03 * (position - len(test) / 2)
            pair = pd.DataFrame([before.loc[name], after.loc[name]])
            _with_limits(ax, x, pair, ms=4, elinewidth=0.8, label=name, **line)
        drop = (before["value"] - after["value"]).mean()
        size = f"{'falls' if drop > 0 else 'rises'} {short(abs(drop))}"
        ax.set_title(f"{metric}\n{size} on average", loc="center")
        ax.set_xticks([0, 1], ["validation", "test"])
        ax.set_xlim(-0.35, 1.35)
    axes[0].set_ylabel("value with 95% interval")
    axes[0].legend(loc="lower left")
    return axes


def story(validation: Tables, test: Tables, title: str = "", axes: Panels = None) -> Array:
    """The study in one figure: AUROC and specificity, promised and kept, the gap shaded."""
    axes = style.panels(axes, 1, 2, 4.2, title)
    names, line = list(test), {"lw": 2, "capsize": 3}
    for metric, ax in zip(("AUROC", "specificity"), axes, strict=True):
        before, after = (_across(estimates, metric).loc[names] for estimates in (validation, test))
        _with_limits(ax, names, before, label="validation", color=config.FAINT, **line)
        _with_limits(ax, names, after, label="test", color=config.INK, **line)
        last = {"label": f"test, {names[-1].lower()} network", "color": config.ACCENT, "zorder": 3}
        _with_limits(ax, names[-1:], after[-1:], ms=9, **last | line)
        gap = {"color": config.FAINT, "alpha": 0.15, "lw": 0}
        ax.fill_between(names, before["value"], after["value"], **gap)
        promised, kept = (short(table["value"].iloc[-1]) for table in (before, after))
        ax.set_title(f"{names[-1]}: {promised} promised, {kept} kept")
        ax.set_ylim(0 if metric == "specificity" else None, 1.01)
        ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes[0].set_ylabel(f"AUROC (axis starts at {short(axes[0].get_ylim()[0], 2)})")
    axes[0].legend(title="with 95% intervals", loc="lower right")
    axes[1].set_ylabel("specificity at 0.5")
    return axes
