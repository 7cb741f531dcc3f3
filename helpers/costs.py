"""What an operating point means for a thousand children: costs, net benefit, predictive values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers import calibration, evaluation

PREVALENCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.625, 0.75)
THRESHOLDS = np.round(np.arange(0.01, 1.0, 0.01), 2)


@dataclass(frozen=True)
class Stakes:
    """What a miss and a false alarm cost (same unit), and how many of the children are sick."""

    miss: float
    alarm: float
    prevalence: float

    def __post_init__(self) -> None:
        if min(self.miss, self.alarm) <= 0 or not 0 < self.prevalence < 1:
            raise ValueError(f"costs must be positive and prevalence between 0 and 1: {self}")

    @property
    def threshold(self) -> float:
        """True probability of pneumonia from which on calling costs less (Elkan 2001)."""
        return self.alarm / (self.alarm + self.miss)


# The notebook's and the talk's: replace them by those of a clinic.
ASSUMED = Stakes(
    miss=1000,  # US$, assumed: hospital, later and worse
    alarm=51.7,  # US$, Zhang et al. 2016: treatment out of hospital
    prevalence=0.20,  # assumed: sick among the children sent to be filmed
)


def thousand(scores: pd.DataFrame, threshold: float, stakes: Stakes = ASSUMED) -> dict[str, float]:
    """What becomes of 1,000 children: found, missed, alarmed, spared; and what the errors cost."""
    at = evaluation.point(scores, threshold)
    sick, well = 1000 * stakes.prevalence, 1000 * (1 - stakes.prevalence)
    missed, alarmed = sick * (1 - at["sensitivity"]), well * (1 - at["specificity"])
    return {
        "found": sick - missed,
        "missed": missed,
        "alarmed": alarmed,
        "spared": well - alarmed,
        "cost": missed * stakes.miss + alarmed * stakes.alarm,
    }


def _rates(
    scores: pd.DataFrame, thresholds: Sequence[float], weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Share of the sick missed and of the healthy alarmed: (draws, thresholds) each."""
    y, p = scores["y"].to_numpy(), scores["probability"].to_numpy()
    called = p[:, np.newaxis] >= np.asarray(thresholds)
    sick, well = weights[:, y == 1], weights[:, y == 0]
    with np.errstate(divide="ignore", invalid="ignore"):  # a draw may hold one class only
        missed = sick @ ~called[y == 1] / sick.sum(axis=1, keepdims=True)
        alarmed = well @ called[y == 0] / well.sum(axis=1, keepdims=True)
    return missed, alarmed


def _with_limits(value: np.ndarray, drawn: np.ndarray, index: pd.Index) -> pd.DataFrame:
    low, high = np.nanpercentile(drawn, [2.5, 97.5], axis=0)
    return pd.DataFrame({"value": value[0], "low": low, "high": high}, index=index)


def _measured(scores: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return np.ones((1, len(scores))), evaluation.patient_weights(scores["patient"])


def curve(
    scores: pd.DataFrame, stakes: Stakes, thresholds: Sequence[float] = THRESHOLDS
) -> pd.DataFrame:
    """Expected cost of the errors per 1,000 children at each threshold: value, low, high."""
    told = []
    for weights in _measured(scores):
        missed, alarmed = _rates(scores, thresholds, weights)
        sick, well = stakes.prevalence * missed, (1 - stakes.prevalence) * alarmed
        told.append(1000 * (sick * stakes.miss + well * stakes.alarm))
    return _with_limits(*told, pd.Index(thresholds, name="threshold"))


def blind(stakes: Stakes) -> dict[str, float]:
    """Cost per 1,000 children without a network: calling everybody, calling nobody."""
    return {
        "call everybody": 1000 * (1 - stakes.prevalence) * stakes.alarm,
        "call nobody": 1000 * stakes.prevalence * stakes.miss,
    }


def net_benefit(
    scores: pd.DataFrame, prevalence: float, thresholds: Sequence[float] = THRESHOLDS
) -> pd.DataFrame:
    """Decision curve (Vickers and Elkin 2006): value, low, high, and everybody treated.

    Children found less children alarmed, these weighed by the odds of the threshold: the
    probability from which on one would treat. ``scores`` must hold probabilities calibrated for
    ``prevalence``; nobody treated is 0.
    """
    t = np.asarray(thresholds)
    odds, told = t / (1 - t), []
    for weights in _measured(scores):
        missed, alarmed = _rates(scores, t, weights)
        told.append(prevalence * (1 - missed) - (1 - prevalence) * alarmed * odds)
    table = _with_limits(*told, pd.Index(t, name="threshold"))
    return table.assign(everybody=prevalence - (1 - prevalence) * odds)


def predictive(
    scores: pd.DataFrame, threshold: float, prevalences: Sequence[float] = PREVALENCES
) -> pd.DataFrame:
    """PPV, NPV and number needed to misdiagnose, each with limits, a row a prevalence.

    Sensitivity and specificity are taken to stay what they are. Columns are pairs (measure;
    value, low, high). The number needed to misdiagnose: so many children are judged for each one
    judged wrongly (Habibzadeh and Yadollahie 2013).
    """
    prior, columns = np.asarray(prevalences), {}
    told: dict[str, list[np.ndarray]] = {"PPV": [], "NPV": [], "judged for one error": []}
    for weights in _measured(scores):
        missed, alarmed = _rates(scores, [threshold], weights)
        with np.errstate(divide="ignore", invalid="ignore"):
            found, spared = prior * (1 - missed), (1 - prior) * (1 - alarmed)
            told["PPV"].append(found / (found + (1 - prior) * alarmed))
            told["NPV"].append(spared / (spared + prior * missed))
            told["judged for one error"].append(1 / (prior * missed + (1 - prior) * alarmed))
    for measure, pair in told.items():
        columns[measure] = _with_limits(*pair, pd.Index(prior, name="prevalence"))
    return pd.concat(columns, axis=1)


def best_threshold(validation: pd.DataFrame, stakes: Stakes) -> float:
    """The network's own probability from which on calling costs less, by calibration alone.

    From validation films: Platt scaling, then the true probability where the two costs meet,
    read for the prevalence of the validation films.
    """
    scale, prior = calibration.fit(validation), float(validation["y"].mean())
    at = pd.DataFrame({"probability": [stakes.threshold]})
    read = calibration.shifted(at, stakes.prevalence, prior)["probability"].iloc[0]
    return scale.inverse(float(read))
