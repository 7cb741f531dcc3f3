"""Tables and numbers as text: how a share, an interval, a difference is written."""

import pandas as pd

from helpers import config
from helpers.evaluation import calibration, decisions, metrics
from helpers.experiments import shift, trials, trust
from helpers.training.study import Result

# Beside ``shift.TARGETS``, on test films at 0.5: (must, aim). ERRORS were set when known.
REFERRED = (trust.DECIDED, 0.985)
ERRORS = {"Brier score": (0.045, 0.035), "expected calibration error": (0.05, 0.03)}
STEADY = {"2%": "edge of 2%", "4%": "edge or crop of 4%", "mirrored": "mirrored"}


def percent(row: pd.Series) -> str:
    """``97.2% [95.1, 98.6]``"""
    return f"{row['value']:.1%} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"


def share(row: pd.Series, digits: int = 3) -> str:
    """``.956 [.941, .970]``"""
    value, low, high = (metrics.short(row[key], digits) for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def line(result: Result, part: str = "validation") -> str:
    """One line on a network for the terminal, at 0.5."""
    table = result.estimate(part)
    figures = [f"{n} {share(table.loc[n])}" for n in ("AUROC", "sensitivity", "specificity")]
    films = f"{len(result.scores(part)):,} {part} films"
    return f"{result.recipe.title} on {films}: {', '.join(figures)}"


def peers(ours: pd.DataFrame) -> pd.DataFrame:
    """What others report on the test films, as text, with our network in the last row."""
    table = pd.read_csv(config.PEERS)
    names = ["accuracy", "sensitivity", "specificity", "AUROC"]
    text = table[names].map(metrics.short)
    text.index = pd.Index(table["study"] + ", " + table["detail"], name="who")
    text.loc["this study, final network"] = metrics.written(ours)[names]
    return text


def targets(final: Result) -> pd.DataFrame:
    """What the final network is to reach, a row a target: must, aim, result (text), verdict."""
    test, rows = final.estimate("test"), {}
    for name, (must, aim) in shift.TARGETS.items():
        rows[name] = _judged(test.loc[name], must, aim)
    rows[f"accuracy with {trust.REFERRED:.0%} referred"] = _judged(referred(final), *REFERRED)
    error = calibration.calibration_error(final.scores("test"))["value"]
    for (name, goals), found in zip(ERRORS.items(), (test.loc["Brier"], error), strict=True):
        rows[name] = _judged(found, *goals, most=True)
    lost = trust.loss("final")
    rows["AUROC lost on corrupted X-rays"] = _judged(lost, trust.LOSS, most=True)
    inside = trust.maps_in_lungs().loc["final"]
    inside = inside.rename({"inside": "value"})
    rows["Grad-CAM inside the lungs"] = _judged(inside, trust.INSIDE)
    return pd.DataFrame(rows, index=["must", "aim", "result", "verdict"]).T


def steadiness() -> pd.DataFrame:
    """``targets`` for harmless changes of validation films: the worst of each kind of change."""
    steady, rows = trust.stability(), {}
    for kind, name in STEADY.items():
        changes = [change for change in trials.DECIDING if kind in change]
        limits = zip(("answers moved", "calls flipped"), shift.STABLE[changes[0]], strict=True)
        for what, most in limits:
            if most < 1:
                worst = steady.loc[changes, what.split()[1]].max()
                rows[f"{what}, {name}"] = _judged(worst, most, most=True)
    return pd.DataFrame(rows, index=["must", "aim", "result", "verdict"]).T


def _judged(
    found: pd.Series | float, must: float, aim: float | None = None, most: bool = False
) -> tuple[str, str, str, str]:
    """A row of targets, of a number or of value, low, high; with ``most``, less is better."""
    value = found if isinstance(found, float) else found["value"]
    digits = 3 + (metrics.short(value) == metrics.short(must))  # which side of it?
    result = metrics.short(value, digits) if isinstance(found, float) else share(found, digits)
    better = [goal for goal in (must, aim) if goal and (value <= goal if most else value >= goal)]
    verdict = ("missed", "reached", "aim reached")[len(better)]
    wanted = f"at {'most' if most else 'least'} {metrics.short(must)}"
    return wanted, metrics.short(aim) if aim else "–", result, verdict


def referred(final: Result) -> pd.Series:
    """Accuracy at 0.5 on the rest with the least certain test films referred: value, low, high."""
    scores, cut = final.scores("test"), final.threshold
    curve = decisions.referral_curve(scores, cut, decisions.certainty(scores, cut))
    return curve.loc[trust.REFERRED]


def explained(found: dict[str, Result]) -> pd.Series:
    """Share of each earlier network's fall in specificity that the films' margins explain."""
    shares = {}
    for result in list(found.values())[1:-1]:
        scores = (result.scores(part) for part in ("validation", "test"))
        before, expected, after = shift.explained(*scores, result.threshold)["value"]
        shares[result.recipe.title] = (before - expected) / (before - after)
    return pd.Series(shares).clip(lower=0)
