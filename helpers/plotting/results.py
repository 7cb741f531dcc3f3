"""Every figure of the story. Each function draws on ``ax`` (made if None) and returns it.

Titles state the finding, worked out from the data that is drawn; so they stay true when the
data change. Nothing here decides or computes a result: it comes from ``evaluation``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from sklearn import metrics as sk

from helpers import config
from helpers.evaluation import metrics as evaluation
from helpers.plotting import style

if TYPE_CHECKING:
    from helpers.training.study import Result


# -- films ----------------------------------------------------------------------------------


# -- the data -------------------------------------------------------------------------------


# -- one network ----------------------------------------------------------------------------


def learning_curves(
    history: pd.DataFrame,
    chosen: int,
    title: str,
    axes: Sequence[Axes] | None = None,
    take: str = "best",
) -> list[Axes]:
    """Loss and recall over the epochs, training and validation; thick the chosen seed.

    ``history`` as ``study.Result.history``; a dot marks the epoch whose weights are kept: the
    one with the lowest validation loss, or the last where ``take`` is "last".
    """
    axes = style.row(axes, 2, 3.0)
    for ax, name in zip(axes, ("loss", "recall"), strict=True):
        for prefix, colour in (("", config.FAINT), ("val_", config.INK)):
            for seed, rows in history.groupby("seed"):
                thick = seed == chosen
                label = ("validation" if prefix else "training") if thick else None
                line = {"color": colour, "label": label, "lw": 1.8 if thick else 0.6}
                ax.plot(rows["epoch"], rows[prefix + name], zorder=2 + thick, **line)
                if prefix:
                    last = take == "last"
                    best = rows.iloc[-1] if last else rows.loc[rows["val_loss"].idxmin()]
                    dot = {"color": colour, "ms": 6 if thick else 3}
                    ax.plot(best["epoch"], best[prefix + name], "o", **dot)
        ax.set(xlabel="epoch", ylabel=f"{name} (per film)" if name == "loss" else name)
    axes[0].set_ylim(0, min(axes[0].get_ylim()[1], 1.0))
    axes[1].set_ylim(max(axes[1].get_ylim()[0], 0.5), 1.005)
    axes[0].set_title(title)
    axes[1].legend(loc="lower right")
    return axes


def confusion(counts: pd.DataFrame, title: str, ax: Axes | None = None) -> Axes:
    """Confusion matrix with counts and shares of the true class."""
    alone, ax = ax is None, style.axes_or_new(ax, width=4.2, height=3.0)
    shares = counts.div(counts.sum(axis=1), axis=0)
    text = [
        [f"{n:,}\n{s:.1%}" for n, s in zip(*row, strict=True)]
        for row in zip(counts.to_numpy(), shares.to_numpy(), strict=True)
    ]
    sns.heatmap(
        shares,
        annot=np.array(text),
        fmt="",
        cmap="Greys",
        vmin=0,
        vmax=1,
        cbar=False,
        ax=ax,
        linewidths=2,
        square=False,
    )
    ax.set_title(title)
    ax.set(xlabel="network calls it", ylabel="film is")
    ax.tick_params(axis="y", rotation=0)
    for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        label.set(color=config.COLOURS[label.get_text()], fontweight="bold")
    if alone:
        style.set_alt(ax.figure, f"{title}. {_matrix_said(counts)}")
    return ax


def _matrix_said(counts: pd.DataFrame) -> str:
    """A confusion matrix in words."""
    rows = [(counts.loc[name], counts.loc[name].sum()) for name in ("PNEUMONIA", "NORMAL")]
    (sick, ill), (well, healthy) = rows
    return (
        f"Of {ill:,} films with pneumonia {sick['NORMAL']:,} are missed, of {healthy:,} without it "
        f"{well['PNEUMONIA']:,} are called sick"
    )


def score_distribution(
    scores: pd.DataFrame, threshold: float, title: str, ax: Axes | None = None
) -> Axes:
    """Histogram of probabilities by class, with the operating threshold."""
    ax = style.axes_or_new(ax, height=2.6)
    bins = np.linspace(0, 1, 41)
    for value, name in enumerate(config.LABELS):
        p = scores.loc[scores["y"] == value, "probability"]
        share = np.full(len(p), 1 / len(p))
        ax.hist(
            p,
            bins=bins,
            weights=share,
            color=config.COLOURS[name],
            alpha=0.65,
            label=name,
            edgecolor="white",
            lw=0.3,
        )
    told = f"threshold {evaluation.short(threshold, 2)}"
    ax.axvline(threshold, color=config.INK, ls="--", lw=1.2, label=told)
    ax.set_title(title)
    ax.set(xlabel="probability of pneumonia", ylabel="share of the class", xlim=(0, 1))
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    # Below, where the threshold's line does not strike it through.
    ax.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.3))
    return ax


def before_and_after(
    validation: pd.DataFrame,
    test: pd.DataFrame,
    threshold: float,
    name: str,
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Scores of one network on validation and on test films, one above the other."""
    if axes is None:
        _, axes = plt.subplots(2, 1, figsize=(style.WIDTH, 4.6), sharex=True)
    for ax, scores, part in zip(axes, (validation, test), ("validation", "test"), strict=True):
        alarms = (scores.loc[scores["y"] == 0, "probability"] >= threshold).mean()
        title = f"{name}, {part}: {alarms:.0%} of the normal films above the threshold"
        score_distribution(scores, threshold, title, ax)
    axes[0].set_xlabel("")
    axes[0].get_legend().remove()  # once for both
    return list(axes)


# -- all networks ---------------------------------------------------------------------------


def network_styles(names: Sequence[str]) -> dict[str, dict[str, object]]:
    """Line style a network: greys that darken along the story, the last one in the accent."""
    shades = np.linspace(0.75, 0.15, max(2, len(names) - 1))
    lines = ("-", "--", "-.", ":")
    styles = {
        name: {"color": str(round(shade, 2)), "ls": lines[i % 4], "lw": 1.3}
        for i, (name, shade) in enumerate(zip(names, shades, strict=False))
    }
    return styles | {names[-1]: {"color": config.ACCENT, "ls": "-", "lw": 2.6}}


def roc_and_pr(
    scores: Mapping[str, pd.DataFrame],
    thresholds: Mapping[str, float],
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """ROC and precision-recall curves of all networks, a dot at each operating point.

    ``scores`` and ``thresholds`` by the network's title.
    """
    axes = style.row(axes, 2, 4.2)
    styles = network_styles(list(scores))
    areas = {name: sk.roc_auc_score(s["y"], s["probability"]) for name, s in scores.items()}
    for name, s in scores.items():
        fpr, tpr, _ = sk.roc_curve(s["y"], s["probability"])
        precision, recall, _ = sk.precision_recall_curve(s["y"], s["probability"])
        at = evaluation.point(s, thresholds[name])
        dot = {"marker": "o", "ms": 5, "color": styles[name]["color"]}
        axes[0].plot(fpr, tpr, label=f"{name}  {evaluation.short(areas[name])}", **styles[name])
        axes[0].plot(1 - at["specificity"], at["sensitivity"], **dot)
        axes[1].plot(recall, precision, **styles[name])
        axes[1].plot(at["sensitivity"], at["precision"], **dot)
    best = max(areas, key=areas.get)
    axes[0].set_title(f"{best} separates best")
    axes[0].set(xlabel="1 − specificity (false alarms)", ylabel="sensitivity (recall)")
    axes[0].legend(title="AUROC", fontsize=9, loc="lower right")
    prevalence = next(iter(scores.values()))["y"].mean()
    axes[1].axhline(prevalence, color=config.FAINT, lw=0.8)
    axes[1].annotate(
        "precision of calling everybody",
        (0.02, prevalence),
        va="bottom",
        fontsize=9,
        color="#666666",
    )
    axes[1].set_title("Precision against recall")
    axes[1].set(
        xlabel="recall (sensitivity)", ylabel="precision", ylim=(min(0.5, prevalence - 0.05), 1.01)
    )
    return axes


def _inward(value: float, least: float, most: float) -> str:
    """How to align a label so that it does not lie across the end of an axis."""
    place = (value - least) / (most - least) if most > least else 0.5
    return "left" if place < 0.1 else "right" if place > 0.9 else "center"


def comparison(
    estimates: Mapping[str, pd.DataFrame],
    metrics: Sequence[str] = ("AUROC", "accuracy", "sensitivity", "specificity"),
    title: str = "",
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Every network's metrics with 95% intervals, one panel a metric, one row a network."""
    axes = style.row(axes, len(metrics), 0.42 * len(estimates) + 1.2, sharey=True)
    names = list(estimates)
    for ax, metric in zip(axes, metrics, strict=True):
        least, most = (
            pick(table.loc[metric, limit] for table in estimates.values())
            for pick, limit in ((min, "low"), (max, "high"))
        )
        for row, name in enumerate(names):
            value, low, high = estimates[name].loc[metric, ["value", "low", "high"]]
            colour = config.ACCENT if row == len(names) - 1 else "#555555"
            ax.plot([low, high], [row, row], color=colour, lw=2)
            ax.plot(value, row, "o", color=colour, ms=6)
            ax.annotate(
                evaluation.short(value),
                (value, row),
                xytext=(0, 6),
                textcoords="offset points",
                ha=_inward(value, least, most),
                fontsize=8.5,
                color=colour,
            )
        ax.set_title(metric, loc="center")
        ax.margins(x=0.12, y=0.1)
        # A panel shows a tenth at least, so that small differences do not look large.
        left, right = ax.get_xlim()
        ax.set_xlim(min(left, right - 0.12), right)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    axes[0].figure.supxlabel("value with 95% interval (bootstrap over patients)", fontsize=10)
    if title:
        axes[0].figure.suptitle(title, fontweight="bold", x=0.01, ha="left")
    values = pd.DataFrame({name: table["value"] for name, table in estimates.items()}).T
    texts = values[list(metrics)].map(evaluation.short)
    told = [f"{n} {', '.join(f'{m} {v}' for m, v in row.items())}" for n, row in texts.iterrows()]
    style.set_alt(
        axes[0].figure, f"A dot with its interval for each network and metric: {'; '.join(told)}"
    )
    return axes


def validation_against_test(
    validation: Mapping[str, pd.DataFrame],
    test: Mapping[str, pd.DataFrame],
    metrics: Sequence[str] = ("AUROC", "sensitivity", "specificity"),
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Slopes from validation to test, one line a network with its 95% intervals."""
    axes = style.row(axes, len(metrics), 3.8)
    styles = network_styles(list(test))
    for ax, metric in zip(axes, metrics, strict=True):
        for position, name in enumerate(test):
            pair = [table[name].loc[metric] for table in (validation, test)]
            value = [p["value"] for p in pair]
            reach = [[p["value"] - p["low"] for p in pair], [p["high"] - p["value"] for p in pair]]
            x = np.array([0, 1]) + 0.03 * (position - len(test) / 2)
            ax.errorbar(
                x, value, yerr=reach, marker="o", ms=4, elinewidth=0.8, label=name, **styles[name]
            )
        drop = np.mean(
            [validation[n].loc[metric, "value"] - test[n].loc[metric, "value"] for n in test]
        )
        told = "falls" if drop > 0 else "rises"
        size = evaluation.short(abs(drop))
        ax.set_title(f"{metric}\n{told} {size} on average", loc="center")
        ax.set_xticks([0, 1], ["validation", "test"])
        ax.set_xlim(-0.35, 1.35)
    axes[0].set_ylabel("value with 95% interval")
    axes[0].legend(fontsize=9, loc="lower left")
    return axes


def story(
    validation: Mapping[str, pd.DataFrame], test: Mapping[str, pd.DataFrame], ax: Axes | None = None
) -> Axes:
    """The study in one figure: AUROC and specificity at the threshold, promised and kept.

    ``validation`` and ``test`` are estimates by the network's title, in the story's order. The
    axes of AUROC are returned; given an ``ax``, AUROC alone is drawn on it.
    """
    if ax is not None:
        return _promise(validation, test, "AUROC", ax)
    _, axes = plt.subplots(ncols=2, figsize=(style.WIDTH, 4.2))
    for metric, panel in zip(STORY, axes, strict=True):
        _promise(validation, test, metric, panel)
    axes[0].legend(title="with 95% intervals", loc="lower right", fontsize=10)
    finding = story_finding(validation, test)
    axes[0].figure.suptitle(finding, fontsize=12, fontweight="bold", x=0.01, ha="left")
    return axes[0]


# What the story shows of each network, and what it is called there.
STORY = {"AUROC": "AUROC", "specificity": "specificity at the threshold"}


def _promise(
    validation: Mapping[str, pd.DataFrame],
    test: Mapping[str, pd.DataFrame],
    metric: str,
    ax: Axes,
) -> Axes:
    """One figure of each network on validation and on test films, the gap between them shaded."""
    names = list(test)
    sides = (("validation", validation, config.FAINT), ("test", test, config.ACCENT))
    before, after = (
        _line(
            pd.DataFrame({n: tables[n].loc[metric] for n in names}).T, f"{part} films", colour, ax
        )
        for part, tables, colour in sides
    )
    ax.fill_between(names, before, after, color=config.FAINT, alpha=0.15, lw=0)
    promised, kept = (evaluation.short(values.iloc[-1]) for values in (before, after))
    ax.set_title(f"{names[-1]}: {promised} promised, {kept} kept")
    ax.set(ylabel=STORY[metric], ylim=(None, 1.01))
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    return ax


def _line(table: pd.DataFrame, label: str, colour: str, ax: Axes) -> pd.Series:
    """A line through the values of ``table`` with their intervals; the values."""
    reach = [table["value"] - table["low"], table["high"] - table["value"]]
    line = {"color": colour, "marker": "o", "lw": 2, "capsize": 3, "label": label}
    ax.errorbar(table.index, table["value"], yerr=reach, **line)
    return table["value"]


def story_finding(validation: Mapping[str, pd.DataFrame], test: Mapping[str, pd.DataFrame]) -> str:
    """What becomes of the gap between validation and test, from the first network to the last."""
    told = []
    for metric, place in (("AUROC", "in AUROC"), ("specificity", "at the threshold")):
        gaps = [validation[n].loc[metric, "value"] - test[n].loc[metric, "value"] for n in test]
        first, last = (evaluation.short(gap) for gap in (gaps[0], gaps[-1]))
        verb = "narrows" if gaps[-1] < gaps[0] / 2 else "stays wide"
        told.append(f"{verb} {place} ({first} to {last})")
    return f"The gap {told[0]}; it {told[1]}"


def seed_difference(
    first: tuple[str, pd.DataFrame],
    second: tuple[str, pd.DataFrame],
    difference: pd.DataFrame,
    metrics: Sequence[str] = ("accuracy", "sensitivity", "specificity", "AUROC"),
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Left: every seed of two recipes; right: second minus first with its 95% interval.

    ``first`` and ``second`` are (title, frame with a row a seed and a column a metric).
    """
    axes = style.row(axes, 2, 3.2, sharey=True)
    for (name, table), colour, shift in ((first, config.FAINT, -0.12), (second, config.INK, 0.12)):
        for row, metric in enumerate(metrics):
            y = np.full(len(table), row + shift)
            axes[0].plot(
                table[metric],
                y,
                "o",
                color=colour,
                ms=5,
                alpha=0.8,
                label=name if row == 0 else None,
            )
    axes[0].set_yticks(range(len(metrics)), metrics)
    axes[0].invert_yaxis()
    axes[0].set(xlabel="value, one dot a seed", title="Each training, same films")
    axes[0].legend(loc="best", fontsize=9)
    for row, metric in enumerate(metrics):
        value, low, high = difference.loc[metric, ["value", "low", "high"]]
        clear = low > 0 or high < 0
        axes[1].plot([low, high], [row, row], color=config.INK if clear else config.FAINT, lw=2.5)
        axes[1].plot(value, row, "o", color=config.INK if clear else config.FAINT, ms=7)
    axes[1].axvline(0, color=config.INK, lw=0.8)
    axes[1].set(
        xlabel=f"{second[0]} minus {first[0]}, 95% interval",
        title="Difference (dark: clear of zero)",
    )
    told = [
        f"{m} {evaluation.short(difference.loc[m, 'low'])} to "
        f"{evaluation.short(difference.loc[m, 'high'])}"
        for m in metrics
    ]
    clouds = f"Left, a dot for each training of {first[0]} and of {second[0]}"
    style.set_alt(
        axes[0].figure, f"{clouds}. Right, the interval of the difference: {', '.join(told)}"
    )
    return axes


def network(result: Result, threshold: float = 0.5) -> Figure:
    """One network on one strip: loss, recall, and its confusion matrix on validation films."""
    figure, axes = plt.subplots(
        ncols=3, figsize=(style.WIDTH * 1.25, 3.1), width_ratios=[1.15, 1, 1]
    )
    take = result.recipe.take
    finding = (
        "the weights of the last epoch count"
        if take == "last"
        else curve_finding(result.history, result.chosen)
    )
    title = f"{result.recipe.title}: {finding}"
    style.set_alt(figure, _strip_said(result, title, threshold))
    learning_curves(result.history, result.chosen, title, axes[:2], take)
    counts = evaluation.confusion(result.scores("validation"), threshold)
    missed, sick = counts.loc["PNEUMONIA", "NORMAL"], counts.loc["PNEUMONIA"].sum()
    confusion(counts, f"misses {missed:,} of {sick:,}", axes[2])
    return figure


def _strip_said(result: Result, title: str, threshold: float) -> str:
    """What ``network`` shows, for those who cannot see it."""
    rows = result.history[result.history["seed"] == result.chosen]
    first, last = rows.iloc[0], rows.iloc[-1]
    counts = evaluation.confusion(result.scores("validation"), threshold)
    return (
        f"{title}. Left, the loss over {len(rows)} epochs: on training films from "
        f"{evaluation.short(first['loss'], 2)} to {evaluation.short(last['loss'], 2)}, on "
        f"validation films from {evaluation.short(first['val_loss'], 2)} to "
        f"{evaluation.short(last['val_loss'], 2)}. Middle, recall. Right, the validation films. "
        f"{_matrix_said(counts)}"
    )


def curve_finding(history: pd.DataFrame, chosen: int) -> str:
    """Where the chosen seed's validation loss was best, and whether memorising followed."""
    rows = history[history["seed"] == chosen]
    best, last = rows.loc[rows["val_loss"].idxmin()], rows.iloc[-1]
    worse = last["val_loss"] / best["val_loss"] - 1
    memorises = worse > 0.2 and last["loss"] < best["loss"]
    after = f"then worse by {worse:.0%}" if memorises else "no rise after"
    return f"best at epoch {best['epoch']:.0f}, {after}"
