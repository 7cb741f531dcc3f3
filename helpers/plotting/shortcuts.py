"""Figures of what validation misses: rules and candidates in held-out acquisition groups."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from helpers import config
from helpers.plotting import style
from helpers.plotting.style import Array, Panel, Panels


def rules(table: pd.DataFrame, axes: Panels = None) -> Array:
    """Sensitivity and specificity of each threshold rule (``shift.rules``) in held-out groups."""
    values = table.xs("value", axis=1, level=-1)
    specificity = values["pooled", "specificity"]
    spans = f"{specificity.min():.0%} to {specificity.max():.0%}"
    title = f"The rule decides: specificity in unseen groups is {spans}"
    axes = style.panels(axes, 1, 2, 3.6, title, sharey=True)
    rows = np.arange(len(table))
    for ax, metric in zip(axes, ("sensitivity", "specificity"), strict=True):
        for group in table.columns.levels[0].drop("pooled"):
            ax.plot(values[group, metric], rows, ".", color=style.GREY, ms=11, alpha=0.5)
        style.intervals(ax, table["pooled", metric], [config.ACCENT] * len(table))
        ax.set(xlabel=metric, xlim=(None, 1.01))
        ax.xaxis.set_major_formatter("{x:.0%}")
    axes[1].plot([], [], ".", color=style.GREY, ms=11, label="one held-out group")
    axes[1].plot([], [], "o-", color=config.ACCENT, label="all five, 95% interval")
    axes[1].legend(loc="upper left")
    return axes


def stability(table: pd.DataFrame, ax: Panel = None) -> Axes:
    """Share of films that move under each harmless change (rows of ``trust.stability``)."""
    (ax,) = style.panels(ax, 1, 1, 5.0)
    moved = table["moved"].iloc[1:].iloc[::-1]  # without the films as they are; the first on top
    moved.plot.barh(ax=ax, color=config.ACCENT, width=0.75, grid=False)
    ax.bar_label(ax.containers[0], fmt="{:.0%}", padding=3, fontsize=9)
    ax.set_title(f"What moves an answer: {moved.idxmax()} ({moved.max():.0%} of the X-rays)")
    ax.set(xlabel="share of X-rays whose probability moves by more than 0.05", ylabel="")
    ax.xaxis.set_major_formatter("{x:.0%}")
    return ax
