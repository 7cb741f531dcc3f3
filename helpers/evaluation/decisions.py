"""What an operating point means in use: costs, net benefit, predictive values, referral."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from scipy.special import expit

from helpers.evaluation import calibration, metrics
from helpers.evaluation.thresholds import operating_threshold

PREVALENCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.625, 0.75)
THRESHOLDS = np.round(np.arange(0.01, 1.0, 0.01), 2)
SHARES = np.round(np.arange(0, 0.51, 0.02), 2)  # of films referred
REFERRAL_TARGET = 0.99  # of the films decided, on either side: fixed before it was tried


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


def _error_rates(scores: pd.DataFrame, cuts: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Share of the sick missed and of the healthy alarmed, measured, then drawn: (1 + n, cuts)."""
    y, p = scores["y"].to_numpy(), scores["probability"].to_numpy()
    called = p[:, np.newaxis] >= np.asarray(cuts)
    weights = metrics.with_draws(scores["patient"])
    sick, well = weights[:, y == 1], weights[:, y == 0]
    with np.errstate(divide="ignore", invalid="ignore"):  # a draw may hold one class only
        missed = sick @ ~called[y == 1] / sick.sum(axis=1, keepdims=True)
        alarmed = well @ called[y == 0] / well.sum(axis=1, keepdims=True)
    return missed, alarmed


def _estimates(values: np.ndarray, index: Sequence[float], name: str) -> pd.DataFrame:
    """What was made of ``_error_rates`` as value, low, high by ``index``."""
    rows = [values[0], *metrics.interval(values[1:])]
    return pd.DataFrame(rows, ["value", "low", "high"], pd.Index(index, name=name)).T


def cost_curve(scores: pd.DataFrame, stakes: Stakes, thresholds: Sequence[float]) -> pd.DataFrame:
    """Expected cost of the errors per 1,000 children at each threshold: value, low, high."""
    missed, alarmed = _error_rates(scores, thresholds)
    sick, well = stakes.prevalence * missed, (1 - stakes.prevalence) * alarmed
    cost = 1000 * (sick * stakes.miss + well * stakes.alarm)
    return _estimates(cost, thresholds, "threshold")


def baseline_costs(stakes: Stakes) -> dict[str, float]:
    """Cost per 1,000 children without a network: calling everybody, calling nobody."""
    sick, well = 1000 * stakes.prevalence, 1000 * (1 - stakes.prevalence)
    return {"call everybody": well * stakes.alarm, "call nobody": sick * stakes.miss}


def predictive_values(scores: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """PPV and NPV: columns (measure; value, low, high).

    A row a prevalence of PREVALENCES; sensitivity and specificity are taken to stay.
    """
    prior, (missed, alarmed) = np.array(PREVALENCES), _error_rates(scores, [threshold])
    fn, fp = prior * missed, (1 - prior) * alarmed
    tp, tn = prior - fn, 1 - prior - fp
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = tp / (tp + fp), tn / (tn + fn)
    tables = [_estimates(ratio, prior, "prevalence") for ratio in ratios]
    return pd.concat(tables, axis=1, keys=["PPV", "NPV"])


def cost_threshold(unseen: pd.DataFrame, stakes: Stakes) -> float:
    """The network's own probability where the costs meet, by Platt scaling of unseen films."""
    logit = calibration.logit  # their prior odds change, the evidence stays (Saerens et al. 2002)
    odds = logit(stakes.threshold) - logit(stakes.prevalence) + logit(unseen["y"].mean())
    scale = calibration.platt(unseen)
    return float(expit((odds - scale.intercept_[0]) / scale.coef_[0, 0]))


def certainty(scores: pd.DataFrame, threshold: float) -> np.ndarray:
    """How far a film's log-odds lie from the operating point's, (n,): more is more certain."""
    return np.abs(calibration.logit(scores["probability"]) - calibration.logit(threshold))


def referral_curve(scores: pd.DataFrame, threshold: float, certain: np.ndarray) -> pd.DataFrame:
    """Accuracy on the rest, by the share referred, least certain first: value, low, high, films."""
    right = (scores["probability"] >= threshold) == (scores["y"] == 1)
    rank, rows = np.argsort(np.argsort(-certain, kind="stable")), {}
    for share in SHARES:
        decided = rank < round((1 - share) * len(rank))
        accuracy = metrics.bootstrap_mean(right, scores["patient"], weights=decided)
        rows[share] = {**accuracy, "films": decided.sum()}
    return pd.DataFrame(rows).T.astype({"films": int}).rename_axis(index="referred")


@dataclass(frozen=True)
class Band:
    """Below ``low`` a film is called normal, from ``high`` on pneumonia; between: a radiologist."""

    low: float
    high: float

    def reaching(self, threshold: float) -> Self:
        """The band made wide enough to hold ``threshold``: no call then contradicts the band."""
        return replace(self, low=min(self.low, threshold), high=max(self.high, threshold))

    def refers(self, probability: pd.Series | np.ndarray) -> np.ndarray:
        """Which films go to the radiologist, (n,) bool."""
        p = np.asarray(probability)
        return (p >= self.low) & (p < self.high)


def referral_band(validation: pd.DataFrame, wanted: float = REFERRAL_TARGET) -> Band:
    """The band that keeps sensitivity and specificity at ``wanted`` on validation films.

    ``low`` is the highest threshold with that sensitivity, ``high`` the lowest with that
    specificity; where they cross, both are ``low``. ValueError with one class only.
    """
    if validation["y"].nunique() < 2:
        raise ValueError("a band needs films of both classes")
    low = operating_threshold(validation, wanted)
    turned = validation.assign(y=1 - validation["y"], probability=1 - validation["probability"])
    high = 1 - operating_threshold(turned, wanted)
    return Band(low, max(low, round(high, 6)))


def referral_outcome(scores: pd.DataFrame, chosen: Band) -> pd.DataFrame:
    """What a band refers, and how it is right on the rest (rows): value, low, high."""
    y, p = scores["y"] == 1, scores["probability"]
    away, right = chosen.refers(p), (p >= chosen.high) == y

    def share(of: np.ndarray, among: np.ndarray) -> dict[str, float]:
        return metrics.proportion(of[among], scores["patient"][among])

    rows = {
        "referred": share(away, y | ~y),
        "sensitivity": share(right, ~away & y),
        "specificity": share(right, ~away & ~y),
    }
    return pd.DataFrame(rows).T
