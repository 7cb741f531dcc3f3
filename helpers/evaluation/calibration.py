"""Whether a probability means what it says: calibration and its errors."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from helpers.evaluation import metrics

# Narrow at both ends, where nearly all films lie.
BINS = (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)


def logit(probability: float | np.ndarray | pd.Series) -> np.ndarray:
    """Log-odds, log(p / (1 - p)), for p kept within a millionth of 0 and 1; same shape."""
    p = np.clip(np.asarray(probability, dtype=float), 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))


@dataclass(frozen=True)
class PlattScaling:
    """New log-odds are ``slope`` times the old plus ``intercept`` (Platt 1999)."""

    slope: float
    intercept: float

    def apply(self, scores: pd.DataFrame) -> pd.DataFrame:
        """``scores`` with rescaled probabilities."""
        odds = self.slope * logit(scores["probability"]) + self.intercept
        return scores.assign(probability=expit(odds))

    def inverse(self, probability: float) -> float:
        """The network's own probability that is rescaled to ``probability``."""
        return float(expit((logit(probability) - self.intercept) / self.slope))


def fit_platt(validation: pd.DataFrame) -> PlattScaling:
    """Fit Platt scaling on validation films (y, probability); ValueError with one class only."""
    if validation["y"].nunique() < 2:
        raise ValueError("calibration needs films of both classes")
    odds = logit(validation["probability"])[:, np.newaxis]
    model = LogisticRegression(C=1e6).fit(odds, validation["y"])  # as good as no penalty
    return PlattScaling(float(model.coef_[0, 0]), float(model.intercept_[0]))


def reliability(scores: pd.DataFrame) -> pd.DataFrame:
    """Films by probability (BINS): said (mean), value (share with pneumonia), low, high, films."""
    rows, bins = {}, np.digitize(scores["probability"], BINS[1:-1])
    for number, films in scores.groupby(bins):
        sick = metrics.proportion(films["y"] == 1, films["patient"])
        said = {"said": films["probability"].mean(), **sick, "films": len(films)}
        rows[f"{BINS[number]:g} to {BINS[number + 1]:g}"] = said
    return pd.DataFrame(rows).T.astype({"films": int})


def expected_calibration_error(scores: pd.DataFrame) -> float:
    """Mean distance of said from seen over BINS, weighted by films."""
    return calibration_error(scores)["value"]


def calibration_error(scores: pd.DataFrame) -> dict[str, float]:
    """The expected calibration error: value, low, high.

    In a draw of few films said and seen lie further apart by chance, so the limits lie high.
    """
    bins = np.digitize(scores["probability"], BINS[1:-1])[:, np.newaxis]
    apart = (scores["probability"] - scores["y"]).to_numpy()[:, np.newaxis]
    weights = metrics.with_draws(scores["patient"])
    sums = weights @ np.where(bins == np.arange(len(BINS) - 1), apart, 0)
    return metrics.limits(np.abs(sums).sum(axis=1) / weights.sum(axis=1))


def brier_decomposition(scores: pd.DataFrame) -> dict[str, float]:
    """The Brier score and its parts: miscalibration - discrimination + uncertainty."""
    y, p = scores["y"].to_numpy(float), scores["probability"].to_numpy(float)
    # From the best monotone recalibration of these very films (CORP: Dimitriadis, Gneiting and
    # Jordan 2021): so the parts add up exactly and need no bins.
    best = IsotonicRegression(y_min=0, y_max=1).fit_transform(p, y)
    brier, ideal, base = (float(np.mean((q - y) ** 2)) for q in (p, best, y.mean()))
    parts = {"miscalibration": brier - ideal, "discrimination": base - ideal, "uncertainty": base}
    return {"Brier": brier, **parts}


def calibration_table(versions: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Brier score, its parts, and the expected calibration error of several scores, by name."""
    rows = {
        name: {**brier_decomposition(scores), "expected error": expected_calibration_error(scores)}
        for name, scores in versions.items()
    }
    return pd.DataFrame(rows).T
