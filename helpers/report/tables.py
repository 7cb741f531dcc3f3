"""Tables and numbers as text: how a share, an interval, a difference is written."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from helpers import config
from helpers.evaluation import decisions, metrics
from helpers.experiments import shift, trust
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


def line(result: Result, part: str = "validation") -> str:
    """One line on a network for the terminal, at the threshold chosen on validation."""
    table = result.estimate(part)
    figures = [f"{n} {share(table.loc[n])}" for n in ("AUROC", "sensitivity", "specificity")]
    films = f"{len(result.scores(part)):,} {part} films"
    return f"{result.recipe.title} on {films}: {', '.join(figures)}"


def peers(ours: pd.DataFrame, path: Path = config.PEERS) -> pd.DataFrame:
    """What others report on the test films, as text, with our network in the last row."""
    table = pd.read_csv(path)
    names = ["accuracy", "sensitivity", "specificity", "AUROC"]
    text = table[names].map(metrics.short)
    text.index = pd.Index(table["study"] + ", " + table["detail"], name="who")
    text.loc["this study, final network"] = metrics.written(ours)[names]
    return text


def targets(final: Result) -> pd.DataFrame:
    """What the final network was to reach, fixed beforehand: target, result (text), reached."""
    test, rows = final.estimate("test"), {}
    for metric, (least, hoped) in shift.TARGETS.items():
        wanted = f"at least {metrics.short(least)} (hoped for {metrics.short(hoped)})"
        rows[metric] = (wanted, share(test.loc[metric]), test.loc[metric, "value"] >= least)
    rest, what = referred(final), f"accuracy with {trust.REFERRED:.0%} referred"
    wanted = f"at least {trust.DECIDED:.0%}"
    rows[what] = (wanted, percent(rest), rest["value"] >= trust.DECIDED)
    early, last = (trust.loss(name) for name in (trust.REFERENCE, "final"))
    wanted = f"at most {trust.LOSS:.0%}, less than CNN 5 ({early['value']:.1%})"
    reached = last["value"] <= trust.LOSS and last["value"] < early["value"]
    rows["AUROC lost on corrupted films"] = (wanted, percent(last), reached)
    inside = trust.maps_in_lungs(trust.maps()).loc["Grad-CAM"].rename(columns={"inside": "value"})
    last, times = inside.loc["final"], inside["value"]["final"] / inside["value"][trust.REFERENCE]
    wanted = f"at least {trust.INSIDE:.0%}, {trust.TIMES} times CNN 5's"
    reached = last["value"] >= trust.INSIDE and times >= trust.TIMES
    rows["Grad-CAM inside drawn lungs"] = (wanted, f"{percent(last)}, {times:.2f} times", reached)
    return pd.DataFrame(rows, index=["target", "result", "reached"]).T.astype({"reached": bool})


def referred(final: Result) -> pd.Series:
    """Accuracy on the rest with the least certain test films referred, by the better order."""
    scores = final.scores("test")
    members = final.seeds("test").loc[scores["film"]]
    orders = (decisions.certainty(scores, final.threshold), decisions.agreement(members))
    curves = [decisions.referral_curve(scores, final.threshold, order) for order in orders]
    return max((curve.loc[trust.REFERRED] for curve in curves), key=lambda row: row["value"])


def explained(found: Mapping[str, Result]) -> pd.Series:
    """Share of each earlier network's fall in specificity that the films' margins explain."""
    shares = {}
    for result in list(found.values())[1:-1]:
        scores = (result.scores(part) for part in ("validation", "test"))
        before, expected, after = shift.explained(*scores, result.threshold)["value"]
        shares[result.recipe.title] = (before - expected) / (before - after)
    return pd.Series(shares).clip(lower=0)
