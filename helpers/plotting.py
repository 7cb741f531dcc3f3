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
from IPython import get_ipython
from IPython.core.pylabtools import print_figure
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from sklearn import metrics as sk

from helpers import config, evaluation

if TYPE_CHECKING:
    from helpers.study import Result

WIDTH = 9.0  # inches: the text width of a rendered notebook

RC = {
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": config.INK,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "image.cmap": "gray",
}


def style() -> None:
    """Give all later figures the look of this study, and in a notebook a text for the blind."""
    plt.rcParams.update(RC)
    shell = get_ipython()
    if shell is not None:
        shell.display_formatter.formatters["image/png"].for_type(Figure, _with_alt_text)


def show() -> None:
    """Show what was drawn in this cell so far, above what the rest of the cell tells."""
    plt.show()


def _with_alt_text(figure: Figure) -> tuple[str, dict[str, str]]:
    """A figure as PNG (base64), and what a screen reader says of it."""
    return print_figure(figure, fmt="png", base64=True), {"alt": describe(figure)}


def describe(figure: Figure) -> str:
    """A figure in words: what it was given to say, or its titles (the finding) and its axes."""
    if getattr(figure, "said", ""):
        return f"{figure.said}."
    title = figure.get_suptitle()
    told, axes = [title] if title else [], []
    for ax in figure.axes:
        heads = {ax.get_title(loc=where) for where in ("left", "center", "right")} - {""}
        told += [head for head in sorted(heads) if head not in told]
        shown = [label for label in (ax.get_ylabel(), ax.get_xlabel()) if label]
        axes += [" over ".join(shown)] if shown else []
    text = ". ".join(" ".join(part.split()) for part in told)
    drawn = "; ".join(dict.fromkeys(" ".join(part.split()) for part in axes))
    return f"{text}. Drawn: {drawn}." if drawn else f"{text}."


def say(figure: Figure, text: str) -> Figure:
    """Have a screen reader say ``text`` of ``figure`` after its title; return the figure."""
    figure.said = ". ".join(filter(None, (figure.get_suptitle(), text)))
    return figure


def axes_or_new(ax: Axes | None, width: float = WIDTH, height: float = 3.4) -> Axes:
    return plt.subplots(figsize=(width, height))[1] if ax is None else ax


def _row(axes: Sequence[Axes] | None, count: int, height: float, **kwargs: object) -> list[Axes]:
    """``count`` axes side by side at page width, unless given."""
    if axes is None:
        _, axes = plt.subplots(ncols=count, figsize=(WIDTH, height), **kwargs)
    return list(np.ravel(axes))


# -- films ----------------------------------------------------------------------------------


def films(
    pictures: np.ndarray,
    captions: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    columns: int = 4,
    title: str = "",
    said: str = "",
) -> Figure:
    """Grid of films (n, side, side) uint8; a frame in the class's colour where labels are given.

    ``said`` is what one sees, for those who cannot.
    """
    rows = -(-len(pictures) // columns)
    side = WIDTH / columns
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, rows * (side + 0.22)), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for position, (ax, picture) in enumerate(zip(axes.flat, pictures, strict=False)):
        ax.set_axis_on()
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
        if captions is not None:
            ax.set_title(captions[position], fontsize=9, fontweight="normal", loc="center")
        colour = config.COLOURS[labels[position]] if labels is not None else config.FAINT
        for spine in ax.spines.values():
            spine.set(visible=True, color=colour, linewidth=3 if labels is not None else 0.8)
    if title:
        figure.suptitle(title, fontweight="bold", x=0.01, ha="left")
    return say(figure, said) if said else figure


SEEN = {
    "NORMAL": "Eight frontal chest X-rays of children: two dark lungs, one on each side of a "
    "bright heart and spine, ribs and diaphragm drawn sharply",
    "PNEUMONIA": "Eight frontal chest X-rays of children: white or grey patches hide parts of the "
    "lungs, dense and on one side in some of the upper row, a veil over both sides in some of the "
    "lower; heart and diaphragm are often blurred",
}


def examples(
    table: pd.DataFrame, pictures: np.ndarray, label: str, seed: int = config.SEED
) -> Figure:
    """Eight films of one class, each of another child, drawn with ``seed``.

    ``table`` holds label, subtype and patient of ``pictures``' rows. Of pneumonia, the upper
    row is bacterial and the lower viral.
    """
    rows = table.reset_index(drop=True).query("label == @label").drop_duplicates("patient")
    kinds = rows["subtype"].unique()
    drawn = [
        rows[rows["subtype"] == kind].sample(8 // len(kinds), random_state=seed)
        for kind in sorted(kinds)
    ]
    chosen = pd.concat(drawn)
    return films(
        pictures[chosen.index],
        captions=[
            row.film if row.subtype == "normal" else row.subtype for row in chosen.itertuples()
        ],
        labels=list(chosen["label"]),
        title="No pneumonia: dark lungs, sharp edges"
        if label == "NORMAL"
        else "Pneumonia: bacterial (upper row) and viral (lower row)",
        said=SEEN[label],
    )


def mean_films(
    pictures: np.ndarray, labels: np.ndarray, axes: Sequence[Axes] | None = None
) -> list[Axes]:
    """Mean film of each class and their difference, with a colour bar in grey levels (0..255)."""
    axes = _row(axes, 3, 3.3)
    normal, sick = (pictures[labels == value].mean(axis=0) for value in (0, 1))
    for ax, picture, name in zip(axes, (normal, sick), config.LABELS, strict=False):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255)
        ax.set_title(f"mean {name} film", color=config.INK)
    shown = axes[2].imshow(sick - normal, cmap="PuOr_r", vmin=-60, vmax=60)
    axes[2].set_title("PNEUMONIA − NORMAL")
    axes[2].figure.colorbar(shown, ax=axes[2], label="grey levels", shrink=0.8)
    for ax in axes:
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
    reach = np.abs(sick - normal).max()
    said = (
        "Three pictures: the mean film of each class, a blurred chest, and their difference in "
        f"colour, up to {reach:.0f} of 255 grey levels. Not the lungs alone are coloured: "
        "shoulders, flanks and corners are as well"
    )
    say(axes[0].figure, said)
    return axes


# -- the data -------------------------------------------------------------------------------


def class_balance(counts: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Films by part and subtype as stacked bars; ``counts`` as ``manifest.counts`` gives it."""
    ax = axes_or_new(ax, height=2.8)
    shares = counts[list(config.SUBTYPES)].div(counts["total"], axis=0).iloc[::-1]
    left = np.zeros(len(shares))
    for subtype in config.SUBTYPES:
        width = shares[subtype].to_numpy()
        face = config.SUBTYPE_COLOURS[subtype]
        # Bacterial and viral are the same grey where there is no colour: one of them is hatched.
        hatch = {"hatch": "///", "edgecolor": "white"} if subtype == "viral" else {}
        bars = ax.barh(shares.index, width, left=left, color=face, label=subtype, **hatch)
        number = [f"{n:,}" if n else "" for n in counts[subtype].iloc[::-1]]
        colour = "white" if subtype == "normal" else config.INK
        for text in ax.bar_label(bars, number, label_type="center", color=colour):
            if text.get_text():
                text.set_bbox({"facecolor": face, "edgecolor": "none", "pad": 1.5})
        left += width
    told = ", ".join(f"{part} {share:.0%}" for part, share in counts["prevalence"].items())
    ax.set_title(f"Share of films with pneumonia: {told}")
    ax.set(xlabel="share of the films (number of films in the bars)", xlim=(0, 1))
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.28))
    ax.grid(visible=False)
    return ax


def films_per_patient(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """How many films the patients have; a random split by film would tear the right side apart."""
    ax = axes_or_new(ax, height=2.8)
    per_patient = table.groupby("patient").size()
    several = per_patient[per_patient > 1].sum() / len(table)
    counts = per_patient.clip(upper=8).value_counts().sort_index()
    bars = ax.bar(
        [f"{n}" if n < 8 else "8 or more" for n in counts.index], counts, color=config.INK
    )
    ax.bar_label(bars, [f"{n:,}" for n in counts])
    ax.set_title(f"{several:.0%} of the films belong to a child with several films")
    ax.set(xlabel="films of one patient", ylabel="patients (logarithmic)", yscale="log")
    ax.margins(y=0.12)
    ax.grid(visible=False)
    return ax


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
    axes = _row(axes, 2, 3.0)
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
    alone, ax = ax is None, axes_or_new(ax, width=4.2, height=3.0)
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
        say(ax.figure, f"{title}. {_matrix_said(counts)}")
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
    ax = axes_or_new(ax, height=2.6)
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
        _, axes = plt.subplots(2, 1, figsize=(WIDTH, 4.6), sharex=True)
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
    axes = _row(axes, 2, 4.2)
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
    axes = _row(axes, len(metrics), 0.42 * len(estimates) + 1.2, sharey=True)
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
    say(axes[0].figure, f"A dot with its interval for each network and metric: {'; '.join(told)}")
    return axes


def validation_against_test(
    validation: Mapping[str, pd.DataFrame],
    test: Mapping[str, pd.DataFrame],
    metrics: Sequence[str] = ("AUROC", "sensitivity", "specificity"),
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Slopes from validation to test, one line a network with its 95% intervals."""
    axes = _row(axes, len(metrics), 3.8)
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
    _, axes = plt.subplots(ncols=2, figsize=(WIDTH, 4.2))
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
    axes = _row(axes, 2, 3.2, sharey=True)
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
    say(axes[0].figure, f"{clouds}. Right, the interval of the difference: {', '.join(told)}")
    return axes


def network(result: Result, threshold: float = 0.5) -> Figure:
    """One network on one strip: loss, recall, and its confusion matrix on validation films."""
    figure, axes = plt.subplots(ncols=3, figsize=(WIDTH * 1.25, 3.1), width_ratios=[1.15, 1, 1])
    take = result.recipe.take
    finding = (
        "the weights of the last epoch count"
        if take == "last"
        else curve_finding(result.history, result.chosen)
    )
    title = f"{result.recipe.title}: {finding}"
    say(figure, _strip_said(result, title, threshold))
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
