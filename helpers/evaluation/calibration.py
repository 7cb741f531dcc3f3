"""Whether a probability means what it says: calibration, its errors, another prevalence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from helpers.evaluation import metrics

# Narrow at both ends, where nearly all films lie.
BINS = (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)


def log_odds(probability: np.ndarray | pd.Series) -> np.ndarray:
    """Logarithm of p / (1 - p), for p kept within a millionth of 0 and 1."""
    p = np.clip(np.asarray(probability, dtype=float), 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))


@dataclass(frozen=True)
class Scale:
    """Platt scaling: new log-odds are ``slope`` times the old plus ``intercept``."""

    slope: float
    intercept: float

    def apply(self, scores: pd.DataFrame) -> pd.DataFrame:
        """``scores`` with rescaled probabilities."""
        odds = self.slope * log_odds(scores["probability"]) + self.intercept
        return scores.assign(probability=1 / (1 + np.exp(-odds)))

    def inverse(self, probability: float) -> float:
        """The network's own probability that is rescaled to ``probability``."""
        odds = (log_odds(np.array([probability]))[0] - self.intercept) / self.slope
        return float(1 / (1 + np.exp(-odds)))


def fit(validation: pd.DataFrame) -> Scale:
    """Fit Platt scaling (Platt 1999) on validation films; ``validation`` needs y, probability.

    Raises:
        ValueError: only one class.
    """
    if validation["y"].nunique() < 2:
        raise ValueError("calibration needs films of both classes")
    odds = log_odds(validation["probability"])[:, np.newaxis]
    model = LogisticRegression(C=1e6).fit(odds, validation["y"])  # as good as no penalty
    return Scale(float(model.coef_[0, 0]), float(model.intercept_[0]))


def shifted(scores: pd.DataFrame, before: float, after: float) -> pd.DataFrame:
    """``scores`` as they should read where prevalence is ``after`` and not ``before``.

    The prior odds are exchanged, the evidence of the film stays (Saerens et al. 2002).

    Raises:
        ValueError: a prevalence outside 0 to 1.
    """
    if not (0 < before < 1 and 0 < after < 1):
        raise ValueError(f"prevalences must lie between 0 and 1, not {before} and {after}")
    change = np.log(after / (1 - after)) - np.log(before / (1 - before))
    return Scale(1.0, float(change)).apply(scores)


def reliability(scores: pd.DataFrame) -> pd.DataFrame:
    """Films by probability (BINS): said (mean), value (share with pneumonia), low, high, films."""
    rows = {}
    place = np.digitize(scores["probability"], BINS[1:-1])
    for number in np.unique(place):
        films = scores[place == number]
        rows[f"{BINS[number]:g} to {BINS[number + 1]:g}"] = {
            "said": films["probability"].mean(),
            **metrics.limits(films["y"].to_numpy() == 1, films["patient"]),
            "films": len(films),
        }
    return pd.DataFrame(rows).T.astype({"films": int})


def expected_error(scores: pd.DataFrame) -> float:
    """Expected calibration error: mean distance of said from seen over BINS, by films."""
    table = reliability(scores)
    return float(np.average((table["said"] - table["value"]).abs(), weights=table["films"]))


def brier_parts(scores: pd.DataFrame) -> dict[str, float]:
    """The Brier score and its parts: miscalibration - discrimination + uncertainty.

    The parts come from the best monotone recalibration of these very films (CORP: Dimitriadis,
    Gneiting and Jordan 2021), so they add up exactly and need no bins.
    """
    y, p = scores["y"].to_numpy(float), scores["probability"].to_numpy(float)
    best = IsotonicRegression(y_min=0, y_max=1).fit_transform(p, y)
    brier, ideal, base = (float(np.mean((q - y) ** 2)) for q in (p, best, y.mean()))
    return {
        "Brier": brier,
        "miscalibration": brier - ideal,
        "discrimination": base - ideal,
        "uncertainty": base,
    }


def table(versions: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Brier score, its parts, and the expected calibration error of several scores, by name."""
    return pd.DataFrame(
        {
            name: {**brier_parts(scores), "expected error": expected_error(scores)}
            for name, scores in versions.items()
        }
    ).T
