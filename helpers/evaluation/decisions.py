"""What an operating point means for a thousand children: costs, net benefit, predictive values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.evaluation import calibration, metrics, thresholds

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
    at = metrics.point(scores, threshold)
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
    return np.ones((1, len(scores))), metrics.patient_weights(scores["patient"])


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


# What is wanted of the films that are decided, on either side: fixed before it was tried.
WANTED = 0.99


def certainty(scores: pd.DataFrame, threshold: float) -> np.ndarray:
    """How far a film's log-odds lie from the operating point's, (n,): more is more certain."""
    at = calibration.log_odds(np.array([threshold]))
    return np.abs(calibration.log_odds(scores["probability"]) - at)


def agreement(members: pd.DataFrame) -> np.ndarray:
    """How little the members' log-odds spread on each film, (n,): more is more certain.

    ``members`` holds a column of probabilities a member.
    """
    return -np.std([calibration.log_odds(members[m]) for m in members], axis=0)


def referral_curve(
    scores: pd.DataFrame, threshold: float, certain: np.ndarray, shares: np.ndarray | None = None
) -> pd.DataFrame:
    """Accuracy on the films decided, by the share referred: value, low, high, films.

    The least certain films are referred first; index: share referred, 0 to .5.
    """
    shares = np.round(np.arange(0, 0.51, 0.02), 2) if shares is None else shares
    right = ((scores["probability"] >= threshold) == (scores["y"] == 1)).to_numpy(float)
    order, rows = np.argsort(-certain, kind="stable"), {}
    weights = metrics.patient_weights(scores["patient"])
    for share in shares:
        kept = order[: round((1 - share) * len(order))]
        drawn = weights[:, kept]
        low, high = metrics.interval(pd.Series(drawn @ right[kept] / drawn.sum(axis=1)))
        rows[share] = {
            "value": right[kept].mean(),
            "low": low,
            "high": high,
            "films": len(kept),
        }
    return pd.DataFrame(rows).T.astype({"films": int}).rename_axis(index="referred")


@dataclass(frozen=True)
class Band:
    """Below ``low`` a film is called normal, from ``high`` on pneumonia; between: a radiologist."""

    low: float
    high: float

    def refers(self, probability: pd.Series | np.ndarray) -> np.ndarray:
        """Which films go to the radiologist, (n,) bool."""
        p = np.asarray(probability)
        return (p >= self.low) & (p < self.high)


def band(validation: pd.DataFrame, wanted: float = WANTED) -> Band:
    """The band that keeps sensitivity and specificity at ``wanted`` on validation films.

    ``low`` is the highest threshold with that sensitivity, ``high`` the lowest with that
    specificity; where they cross, nothing is referred and both are ``low``.

    Raises:
        ValueError: only one class.
    """
    if validation["y"].nunique() < 2:
        raise ValueError("a band needs films of both classes")
    low = thresholds.operating_threshold(validation, wanted)
    turned = validation.assign(y=1 - validation["y"], probability=1 - validation["probability"])
    high = 1 - thresholds.operating_threshold(turned, wanted)
    return Band(low, max(low, round(high, 6)))


def referral_outcome(scores: pd.DataFrame, chosen: Band) -> pd.DataFrame:
    """What a band does: referred, and accuracy, sensitivity, specificity of what is decided.

    ``found in all`` counts referred children with pneumonia as found: a radiologist sees them.
    Rows with value, low, high.
    """
    y, p = scores["y"].to_numpy() == 1, scores["probability"].to_numpy()
    away, called = chosen.refers(p), p >= chosen.high
    right, everybody = called == y, np.ones_like(y)
    asked = {
        "referred": (away, everybody),
        "accuracy": (right, ~away),
        "sensitivity": (right, ~away & y),
        "specificity": (right, ~away & ~y),
        "found in all": (right | away, y),
    }
    rows = {
        name: metrics.limits(of[among], scores["patient"][among])
        for name, (of, among) in asked.items()
    }
    return pd.DataFrame(rows).T
