"""The one line that closes a chapter: the answer to its question, with intervals, from the record.

Chapters whose answer is no number close in the notebook's own words.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pandas as pd

from helpers import costs, counsel, evaluation, telling

HEAD = "**In one line:**"

# What each network of chapter 5 adds to the one before it.
IDEAS = {
    "CNN 1": "neighbourhoods",
    "CNN 2": "dropout",
    "CNN 3": "depth",
    "CNN 4": "augmentation",
    "CNN 5": "another activation",
    "Residual net": "a residual network",
    "Final": "the cut to the lungs",
}


def _steps(count: int) -> str:
    return "one step" if count == 1 else f"{count} steps"


def overview(promised: Mapping[str, pd.DataFrame], kept: Mapping[str, pd.DataFrame]) -> str:
    """Chapter 1: how well, and how it got there; estimates on validation and test by title."""
    first, *_, last = kept
    best, told = kept[last], promised[last].loc["specificity"]
    spared = best.loc["specificity"]
    verdict = (
        "less than validation promised"
        if spared["high"] < told["low"]
        else "about what validation promised"
    )
    return (
        f"{HEAD} on films it had never seen the {last.lower()} network has an AUROC of "
        f"{telling.share(best.loc['AUROC'])}, from {telling.share(kept[first].loc['AUROC'])} of "
        f"the {first.lower()} network {_steps(len(kept) - 1)} before; it finds "
        f"{telling.percent(best.loc['sensitivity'])} of the sick and leaves "
        f"{telling.percent(spared)} of the healthy in peace, {verdict} ({telling.percent(told)})."
    )


def models(scores: Mapping[str, pd.DataFrame]) -> str:
    """Chapter 5: what each idea brought on validation films; ``scores`` by title, in order."""
    seen, unseen = [], []
    for first, second in itertools.pairwise(scores):
        if second in IDEAS:
            row = evaluation.compare(scores[first], scores[second], (0.5, 0.5)).loc["AUROC"]
            kind = seen if telling.clear(row) else unseen
            kind.append(f"{IDEAS[second]} ({telling.signed(row)})")
    return (
        f"{HEAD} on validation films {', '.join(seen) or 'nothing'} changed AUROC beyond chance; "
        f"{', '.join(unseen) or 'nothing'} did not. So ask films from another batch."
    )


def _reach(test: Mapping[str, pd.DataFrame], metric: str) -> str:
    """The lowest and the highest network in ``metric``, each with its interval."""
    order = sorted(test, key=lambda name: test[name].loc[metric, "value"])
    low, high = (f"{telling.share(test[n].loc[metric])} ({n})" for n in (order[0], order[-1]))
    return f"{metric} from {low} to {high}"


def tested(validation: Mapping[str, pd.DataFrame], test: Mapping[str, pd.DataFrame]) -> str:
    """Chapter 6: how the trained networks do on the test films, each at its own threshold."""
    told = "; ".join(_reach(test, metric) for metric in ("AUROC", "sensitivity", "specificity"))
    below = [
        name
        for name in test
        if test[name].loc["specificity", "high"] < validation[name].loc["specificity", "low"]
    ]
    return (
        f"{HEAD} on the test films the {len(test)} trained networks reach {told}; specificity is "
        f"below what validation promised, beyond chance, for {len(below)} of them."
    )


def threshold(curve: pd.DataFrame, stakes: costs.Stakes, chosen: float) -> str:
    """Chapter 8: from which probability to call, by validation films, and what errors cost there.

    ``curve`` is ``costs.curve`` on the test films and holds the threshold ``chosen``.
    """
    row, best = curve.loc[chosen], curve["value"].idxmin()
    verdict = (
        "so a threshold must be checked where it is used"
        if curve.loc[best, "value"] < row["low"]
        else "which chance may explain"
    )
    return (
        f"{HEAD} at the costs assumed here validation films say to call from "
        f"{evaluation.short(chosen)} on; on the test films the errors then cost "
        f"{counsel.dollars(row['value'])} [{row['low']:,.0f}, {row['high']:,.0f}] for a thousand "
        f"children, {stakes.prevalence:.0%} of them sick. From {evaluation.short(best, 2)} on it "
        f"would be {counsel.dollars(curve.loc[best, 'value'])}, {verdict}."
    )


def study(before: pd.DataFrame, after: pd.DataFrame, apart: pd.DataFrame) -> str:
    """Chapter 10: what was learnt, and what must not be concluded.

    Estimates of the final network on validation and test films, and ``verdict.views_apart``.
    """
    lungs = apart.loc["AUROC"]
    cure = (
        "networks that see the lungs cut out travel better than those that see the whole film"
        if telling.clear(lungs) and lungs["value"] > 0
        else "cutting the film to the lungs made no sure difference"
    )
    fell = after.loc["specificity", "high"] < before.loc["specificity", "low"]
    return (
        f"{HEAD} {cure} ({telling.signed(lungs)} in AUROC on the test films), and a threshold from "
        f"validation films of one batch {'did not hold' if fell else 'held'} in the next "
        f"(specificity {telling.percent(before.loc['specificity'])} there, "
        f"{telling.percent(after.loc['specificity'])} here); nobody must conclude from it how it "
        "does in another hospital, or decide on a child by it."
    )
