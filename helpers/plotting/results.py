"""Figures of the networks' results: of one network, and of estimates of all by their titles."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from sklearn import metrics as sk

from helpers import config
from helpers.evaluation import metrics as evaluation
from helpers.evaluation.metrics import short
from helpers.plotting import style
from helpers.plotting.style import Array, Panel, Panels, Tables
from helpers.training.study import Result

METRICS = ["AUROC", "accuracy", "sensitivity", "specificity"]
TRIALS = ["validation AUROC", "stress AUROC", "stress specificity"]


def learning_curves(result: Result, axes: Panels = None) -> Array:
    """Loss and recall over the epochs; thick the chosen seed, a dot the epoch that is kept."""
    axes, last = style.panels(axes, 1, 2, 3.0), result.recipe.take == "last"
    for seed, rows in result.history.groupby("seed"):
        kept = rows.iloc[-1] if last else rows.loc[rows["val_loss"].idxmin()]
        width, hidden = (1.8, "") if seed == result.chosen else (0.6, "_")  # from the legend
        line = {"color": [config.FAINT, config.INK], "lw": width, "zorder": 1 + width}
        line["label"] = [f"{hidden}training", f"{hidden}validation"]
        for ax, name in zip(axes, ("loss", "recall"), strict=True):
            rows.plot(x="epoch", y=[name, f"val_{name}"], legend=False, ax=ax, **line)
            ax.plot(kept["epoch"], kept[f"val_{name}"], "o", color=config.INK, ms=3.3 * width)
    finding = curve_finding(result.history, result.chosen)
    finding = "the weights of the last epoch count" if last else finding
    axes[0].set(title=f"{result.recipe.title}: {finding}", ylabel="loss (per film)")
    axes[0].set_ylim(0, min(axes[0].get_ylim()[1], 1.0))
    axes[1].set(ylabel="recall", ylim=(max(axes[1].get_ylim()[0], 0.5), 1.005))
    axes[0].legend()
    return axes


def curve_finding(history: pd.DataFrame, chosen: int) -> str:
    """Where the chosen seed's validation loss was best, and whether memorising followed."""
    rows = history[history["seed"] == chosen]
    best, last = rows.loc[rows["val_loss"].idxmin()], rows.iloc[-1]
    worse = last["val_loss"] / best["val_loss"] - 1
    memorises = worse > 0.2 and last["loss"] < best["loss"]
    after = f"then worse by {worse:.0%}" if memorises else "no rise after"
    return f"best at epoch {best['epoch']:.0f}, {after}"


def confusion(counts: pd.DataFrame, title: str, ax: Panel = None) -> Axes:
    """Confusion matrix with counts and shares of the true class."""
    (ax,) = style.panels(ax, 1, 1, 3.0, figsize=(4.2, 3.0))
    shares = counts.div(counts.sum(axis=1), axis=0)
    text = counts.map("{:,}\n".format) + shares.map("{:.1%}".format)
    look = {"cmap": "Greys", "vmin": 0, "vmax": 1, "cbar": False, "linewidths": 2}
    sns.heatmap(shares, annot=text, fmt="", ax=ax, **look)
    ax.set(title=title, xlabel="network calls it", ylabel="film is")
    ax.tick_params(axis="y", rotation=0)
    for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        label.set(color=config.COLOURS[label.get_text()], fontweight="bold")
    well, sick = counts.loc["NORMAL"], counts.loc["PNEUMONIA"]
    ax.alt = (
        f"Of {sick.sum():,} films with pneumonia {sick['NORMAL']:,} are missed, of "
        f"{well.sum():,} without it {well['PNEUMONIA']:,} are called sick"
    )
    return ax


def network(result: Result, threshold: float = 0.5, axes: Panels = None) -> Array:
    """One network on one strip: loss, recall, and its confusion matrix on validation films."""
    axes = style.panels(axes, 1, 3, 2.9, width_ratios=[1.1, 1, 1])
    learning_curves(result, axes[:2])
    counts = evaluation.confusion(result.scores("validation"), threshold)
    sick = counts.loc["PNEUMONIA"]
    confusion(counts, f"misses {sick['NORMAL']:,} of {sick.sum():,}", axes[2])
    return axes


def before_and_after(
    validation: pd.DataFrame, test: pd.DataFrame, threshold: float, name: str, axes: Panels = None
) -> Array:
    """Histograms of one network's probabilities by class, on validation and on test films."""
    axes = style.panels(axes, 2, 1, 4.6, sharex=True)
    for ax, scores, part in zip(axes, (validation, test), ("validation", "test"), strict=True):
        for y, label in enumerate(config.LABELS):
            p = scores.loc[scores["y"] == y, "probability"]
            look = {"label": label, "color": config.COLOURS[label], "alpha": 0.65}
            ax.hist(p, np.linspace(0, 1, 41), weights=np.full(len(p), 1 / len(p)), **look)
        label = f"threshold {short(threshold, 2)}"
        ax.axvline(threshold, color=config.INK, lw=1.2, ls="--", label=label)
        alarms = (scores.loc[scores["y"] == 0, "probability"] >= threshold).mean()
        ax.set_title(f"{name}, {part}: {alarms:.0%} of the normal films above the threshold")
        ax.set(ylabel="share of the class", xlim=(0, 1))
        ax.yaxis.set_major_formatter("{x:.0%}")
    axes[1].set_xlabel("probability of pneumonia")
    # Once for both, and below, where the threshold's line does not strike it through.
    axes[1].legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.3))
    return axes


def _across(estimates: Tables, metric: str) -> pd.DataFrame:
    """One metric of all networks: value, low and high by title."""
    return pd.DataFrame({name: table.loc[metric] for name, table in estimates.items()}).T


def _with_limits(ax: Axes, x: Sequence[object], table: pd.DataFrame, **line: object) -> None:
    """A line through the values of ``table``, each with its interval."""
    reach = [table["value"] - table["low"], table["high"] - table["value"]]
    ax.errorbar(x, table["value"], yerr=reach, marker="o", **line)


def roc_and_pr(scores: Tables, thresholds: Mapping[str, float], axes: Panels = None) -> Array:
    """ROC and precision-recall curves of all networks, a dot at each operating point."""
    axes = style.panels(axes, 1, 2, 4.2)
    areas = {name: sk.roc_auc_score(s["y"], s["probability"]) for name, s in scores.items()}
    for name, line in style.network_styles(list(scores)).items():
        y, p = scores[name]["y"], scores[name]["probability"]
        fpr, tpr, _ = sk.roc_curve(y, p)
        precision, recall, _ = sk.precision_recall_curve(y, p)
        at = evaluation.point(scores[name], thresholds[name])
        dot = {"marker": "o", "ms": 5, "color": line["color"]}
        axes[0].plot(fpr, tpr, label=f"{name}  {short(areas[name])}", **line)
        axes[0].plot(1 - at["specificity"], at["sensitivity"], **dot)
        axes[1].plot(recall, precision, **line)
        axes[1].plot(at["sensitivity"], at["precision"], **dot)
    axes[0].set_title(f"{max(areas, key=areas.get)} separates best")
    axes[0].set(xlabel="1 − specificity (false alarms)", ylabel="sensitivity (recall)")
    axes[0].legend(title="AUROC", loc="lower right")
    axes[1].axhline(y.mean(), color=config.FAINT, lw=1.2, label="calling everybody")
    axes[1].legend(loc="lower left")
    axes[1].set(title="Precision against recall", xlabel="recall (sensitivity)")
    axes[1].set(ylabel="precision", ylim=(min(0.5, y.mean() - 0.05), 1.01))
    return axes


def comparison(estimates: Tables, title: str = "", axes: Panels = None) -> Array:
    """Every network's metrics with 95% intervals, one panel a metric, one row a network."""
    axes = style.panels(axes, 1, 4, 0.42 * len(estimates) + 1.2, title, sharey=True)
    colours = ["#555555"] * (len(estimates) - 1) + [config.ACCENT]
    for ax, metric in zip(axes, METRICS, strict=True):
        table = _across(estimates, metric)
        style.intervals(ax, table, colours)
        ax.set_title(metric, loc="center")
        ax.margins(x=0.12)
        # A panel shows a tenth at least, so that small differences do not look large.
        left, right = ax.get_xlim()
        ax.set_xlim(min(left, right - 0.12), right)
        span = table["high"].max() - table["low"].min()
        for row, (value, colour) in enumerate(zip(table["value"], colours, strict=True)):
            # Inward, where it would else lie across the end of the axis.
            place = (value - table["low"].min()) / span if span else 0.5
            side = "left" if place < 0.1 else "right" if place > 0.9 else "center"
            look = {"textcoords": "offset points", "ha": side, "fontsize": 9, "color": colour}
            ax.annotate(short(value), (value, row), (0, 6), **look)
    axes[0].figure.supxlabel("value with 95% interval (bootstrap over patients)")
    return axes


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


def story(validation: Tables, test: Tables, axes: Panels = None) -> Array:
    """The study in one figure: AUROC and specificity, promised and kept, the gap shaded."""
    axes = style.panels(axes, 1, 2, 4.2, story_finding(validation, test))
    names, line = list(test), {"lw": 2, "capsize": 3}
    for metric, ax in zip(("AUROC", "specificity"), axes, strict=True):
        before, after = (_across(estimates, metric).loc[names] for estimates in (validation, test))
        _with_limits(ax, names, before, label="validation films", color=config.FAINT, **line)
        _with_limits(ax, names, after, label="test films", color=config.ACCENT, **line)
        gap = {"color": config.FAINT, "alpha": 0.15, "lw": 0}
        ax.fill_between(names, before["value"], after["value"], **gap)
        promised, kept = (short(table["value"].iloc[-1]) for table in (before, after))
        ax.set(title=f"{names[-1]}: {promised} promised, {kept} kept", ylabel=metric)
        ax.set_ylim(None, 1.01)
        ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes[0].legend(title="with 95% intervals", loc="lower right")
    axes[1].set_ylabel("specificity at the threshold")
    return axes


def story_finding(validation: Tables, test: Tables) -> str:
    """What becomes of the gap between validation and test, from the first network to the last."""
    parts = []
    for metric, place in (("AUROC", "in AUROC"), ("specificity", "at the threshold")):
        gaps = [validation[n].loc[metric, "value"] - test[n].loc[metric, "value"] for n in test]
        verb = "narrows" if gaps[-1] < gaps[0] / 2 else "stays wide"
        parts.append(f"{verb} {place} ({short(gaps[0])} to {short(gaps[-1])})")
    return f"The gap {parts[0]}; it {parts[1]}"


def seed_difference(seeds: Tables, difference: pd.DataFrame, axes: Panels = None) -> Array:
    """Left: every seed (row) of two networks; right: second minus first with its 95% interval."""
    axes = style.panels(axes, 1, 2, 3.2, sharey=True)
    drawn = zip(seeds.items(), (config.FAINT, config.INK), (-0.12, 0.12), strict=True)
    for (name, table), colour, shift in drawn:
        rows = np.tile(np.arange(len(METRICS)) + shift, (len(table), 1))
        axes[0].scatter(table[METRICS], rows, s=25, color=colour, alpha=0.8, label=name)
    axes[0].set(xlabel="value, one dot a seed", title="Each training, same films")
    axes[0].legend()
    difference = difference.loc[METRICS]
    clear = (difference["low"] > 0) | (difference["high"] < 0)
    style.intervals(axes[1], difference, np.where(clear, config.INK, config.FAINT))
    axes[1].axvline(0, color=config.INK, lw=0.8)
    axes[1].set_xlabel("{1} minus {0}, 95% interval".format(*seeds))
    axes[1].set_title(f"Clear of zero (dark): {', '.join(difference.index[clear]) or 'none'}")
    return axes


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
        ax.set_title(f"{metric}\nspans {short(span)}", loc="center")
        ax.set(xlabel="", ylabel="")
    axes[0].figure.supxlabel("dot: one training, bar: their mean")
    return axes


def ranks(table: pd.DataFrame, ax: Panel = None) -> Axes:
    """AUROC of each network (row) on validation, stress validation and test films, by lines."""
    spans = [short(span) for span in table.max() - table.min()]
    title = "Validation spreads the networks over {}, stress over {}, the test over {}"
    (ax,) = style.panels(ax, 1, 1, 4.0)
    ax.set(title=title.format(*spans), ylabel="AUROC", xlim=(-0.2, 2.75))
    for name, line in style.network_styles(list(table.index)).items():
        ax.plot(range(3), table.loc[name], marker="o", label=name, **line)
    ax.set_xticks(range(3), ["validation films", "stress validation", "test films"])
    ax.legend(loc="upper right")
    return ax
