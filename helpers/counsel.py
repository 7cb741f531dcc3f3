"""Chapter 8's sentences: what the costs, the calibration and the prevalence say of a threshold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import calibration, costs, evaluation, telling
from helpers.study import Result


def dollars(value: float) -> str:
    """``USD 17,481``"""
    # Not the sign: two of them in a paragraph are a formula to Jupyter.
    return f"USD {value:,.0f}"


def costs_told(
    curve: pd.DataFrame, stakes: costs.Stakes, marks: Mapping[str, float], among: str = "test films"
) -> str:
    """What each operating point costs, against the cheapest and against no network."""
    told = []
    for name, threshold in marks.items():
        row = {key: np.interp(threshold, curve.index, curve[key]) for key in curve}
        told.append(
            f"* {name} ({evaluation.short(threshold)}): {dollars(row['value'])} "
            f"[{row['low']:,.0f}, {row['high']:,.0f}]"
        )
    cheapest = curve["value"].idxmin()
    without = min(costs.blind(stakes).items(), key=lambda pair: pair[1])
    return (
        f"Cost of the errors for a thousand children, {stakes.prevalence:.0%} of them sick, "
        f"{among}:\n\n" + "\n".join(told) + "\n\nThe cheapest threshold on these films would be "
        f"{evaluation.short(cheapest, 2)} ({dollars(curve['value'].min())}), which only they could "
        f"tell; without a network the cheapest is to {without[0]} ({dollars(without[1])})."
    )


def calibration_told(table: pd.DataFrame) -> str:
    """Whether Platt scaling fitted on validation films helped on them and on the test films."""

    def change(part: str) -> tuple[float, float]:
        return (table.loc[f"{part}, {how}", "Brier"] for how in ("as it says", "rescaled"))

    told = []
    for part, meaning in (("validation", "of validation films"), ("test", "of test films")):
        plain, scaled = change(part)
        verb = "lowers" if scaled < plain else "raises"
        told.append(
            f"{verb} the Brier score {meaning} from {evaluation.short(plain)} to "
            f"{evaluation.short(scaled)}"
        )
    same = table.loc["test, rescaled, prevalence told", "Brier"]
    plain, scaled = change("test")
    rest = (
        "What validation films taught of probabilities does not hold in the next batch, "
        f"and prevalence is not the reason: told the right one, the score is "
        f"{evaluation.short(same)}. So the network's own, cautious probabilities stay in use"
        if plain < min(scaled, same)
        else "What validation films taught of probabilities holds in the next batch"
    )
    return f"Platt scaling, fitted on validation films, {told[0]} and {told[1]}. {rest}."


def at_prevalence(result: Result, prevalence: float) -> pd.DataFrame:
    """Test scores as one would use them where ``prevalence`` is known: scaled by validation."""
    before = result.scores("validation")
    scaled = calibration.fit(before).apply(result.scores("test"))
    return calibration.shifted(scaled, float(before["y"].mean()), prevalence)


def decision_told(table: pd.DataFrame, stakes: costs.Stakes) -> str:
    """The net benefit at the stakes' threshold, against treating everybody."""
    at = table.index[np.argmin(np.abs(table.index - stakes.threshold))]
    row, everybody = table.loc[at], table.loc[at, "everybody"]
    more = 1000 * (row["value"] - max(everybody, 0))
    verdict = "beyond chance" if row["low"] > max(everybody, 0) else "which may be chance"
    return (
        f"At the threshold that these costs imply ({evaluation.short(at, 2)}) the net benefit is "
        f"{telling.share(row)}, that of treating everybody {evaluation.short(everybody)}: worth "
        f"{more:.0f} more sick children found in a thousand, at no further alarm, {verdict}."
    )


def predictive_told(table: pd.DataFrame, low: float = 0.05, high: float = 0.5) -> str:
    """What a call and an all-clear are worth where few and where many are sick."""
    told = []
    for prevalence in (low, high):
        row = table.loc[prevalence]
        told.append(
            f"where {prevalence:.0%} of the children are sick, {telling.percent(row['PPV'])} of "
            f"the called ones are, {telling.percent(row['NPV'])} of the others are not, and of "
            f"{row['judged for one error']['value']:.1f} judged one is judged wrongly"
        )
    return f"{told[0][0].upper()}{told[0][1:]}; {told[1]}."
