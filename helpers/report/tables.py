"""Tables and numbers as text: how a share, an interval, a difference is written."""

from __future__ import annotations

import difflib
from pathlib import Path

import pandas as pd

from helpers import config
from helpers.evaluation import metrics
from helpers.models import classifiers
from helpers.training import recipes
from helpers.training.study import Result


def percent(row: pd.Series) -> str:
    """``97.2% [95.1, 98.6]``"""
    return f"{row['value']:.1%} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"


def share(row: pd.Series, digits: int = 3) -> str:
    """``.956 [.941, .970]``"""
    value, low, high = (metrics.short(row[key], digits) for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def plus(value: float) -> str:
    """``+.012`` or ``−.003``"""
    text = metrics.short(value)
    return text if text.startswith("−") else f"+{text}"


def signed(row: pd.Series) -> str:
    """A difference with its sign: ``+.012 [−.003, +.027]``"""
    value, low, high = (plus(row[key]) for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def minus(text: str) -> str:
    """``text``, a formatted number, with a minus sign for its hyphen."""
    return text.replace("-", "−")


def clear(row: pd.Series) -> bool:
    """Whether a difference's interval leaves out zero, as it is printed (to three digits)."""
    return bool(round(row["low"], 3) > 0 or round(row["high"], 3) < 0)


def line(result: Result, part: str = "validation") -> str:
    """One line on a network for the terminal, at the threshold chosen on validation."""
    scores, table = result.scores(part), result.estimate(part)
    told = ", ".join(
        f"{name} {share(table.loc[name])}" for name in ("AUROC", "sensitivity", "specificity")
    )
    return f"{result.recipe.title} on {len(scores):,} {part} films: {told}"


def layers(first: str, second: str) -> pd.DataFrame:
    """The layers in which recipe ``second`` differs from ``first``: which, output, parameters.

    An activation of its own is left out where the other network has none (it has it built in).
    """
    tables = [
        classifiers.summary(classifiers.build(n, side=recipes.get(n).side)) for n in (first, second)
    ]
    if "ReLU" not in tables[0].index:
        tables[1] = tables[1].drop("ReLU", errors="ignore")
    rows = [list(table.reset_index().itertuples(index=False, name=None)) for table in tables]
    told = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, *rows, autojunk=False).get_opcodes():
        if kind != "equal":
            told += [("gone", *row) for row in rows[0][a:b]]
            told += [("new", *row) for row in rows[1][c:d]]
    return pd.DataFrame(told, columns=["", "layer", "output", "parameters"]).set_index("")


def peers(ours: pd.DataFrame, path: Path = config.PEERS) -> pd.DataFrame:
    """What others report on the test films, as text, with our network in the last row."""
    table = pd.read_csv(path)
    names = ["accuracy", "sensitivity", "specificity", "AUROC"]
    text = table[names].map(metrics.short)
    text.index = pd.Index(table["study"] + ", " + table["detail"], name="who")
    text.loc["this study, final network"] = metrics.written(ours)[names]
    return text
