"""Whether a probability means what it says: calibration and its errors."""

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from helpers.evaluation import metrics

# Narrow at both ends, where nearly all films lie.
BINS = (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)


def logit(probability: float | np.ndarray | pd.Series) -> np.ndarray:
    """Log-odds, log(p / (1 - p)), for p kept within a millionth of 0 and 1; same shape."""
    p = np.clip(np.asarray(probability, dtype=float), 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))


def platt(scores: pd.DataFrame) -> LogisticRegression:
    """Platt scaling (1999): a logistic regression of y on the log-odds; both classes needed."""
    odds = logit(scores["probability"])[:, np.newaxis]
    return LogisticRegression(C=1e6).fit(odds, scores["y"])  # as good as no penalty


def reliability(scores: pd.DataFrame) -> pd.DataFrame:
    """Films by probability (BINS): said (mean), value (share with pneumonia), low, high, films."""
    rows, bins = {}, np.digitize(scores["probability"], BINS[1:-1])
    for number, films in scores.groupby(bins):
        sick = metrics.proportion(films["y"] == 1, films["patient"])
        said = {"said": films["probability"].mean(), **sick, "films": len(films)}
        rows[f"{BINS[number]:g} to {BINS[number + 1]:g}"] = said
    return pd.DataFrame(rows).T.astype({"films": int})


def calibration_error(scores: pd.DataFrame) -> dict[str, float]:
    """Expected calibration error: mean distance of said from seen over BINS; value, low, high.

    In a draw of few films said and seen lie further apart by chance, so the limits lie high.
    """
    bins = np.digitize(scores["probability"], BINS[1:-1])[:, np.newaxis]
    apart = (scores["probability"] - scores["y"]).to_numpy()[:, np.newaxis]
    weights = metrics.with_draws(scores["patient"])
    sums = weights @ np.where(bins == np.arange(len(BINS) - 1), apart, 0)
    return metrics.limits(np.abs(sums).sum(axis=1) / weights.sum(axis=1))


def calibration_table(versions: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Brier score and expected calibration error of several scores, by name."""
    brier = {n: ((of["probability"] - of["y"]) ** 2).mean() for n, of in versions.items()}
    error = {n: calibration_error(of)["value"] for n, of in versions.items()}
    return pd.DataFrame({"Brier": brier, "expected error": error})
