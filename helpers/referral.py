"""When to ask a radiologist: which films the network decides, and how well it does on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers import calibration, evaluation

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


def curve(
    scores: pd.DataFrame, threshold: float, certain: np.ndarray, shares: np.ndarray | None = None
) -> pd.DataFrame:
    """Accuracy on the films decided, by the share referred: value, low, high, films.

    The least certain films are referred first; index: share referred, 0 to .5.
    """
    shares = np.round(np.arange(0, 0.51, 0.02), 2) if shares is None else shares
    right = ((scores["probability"] >= threshold) == (scores["y"] == 1)).to_numpy(float)
    order, rows = np.argsort(-certain, kind="stable"), {}
    weights = evaluation.patient_weights(scores["patient"])
    for share in shares:
        kept = order[: round((1 - share) * len(order))]
        drawn = weights[:, kept]
        low, high = evaluation.interval(pd.Series(drawn @ right[kept] / drawn.sum(axis=1)))
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
    low = evaluation.operating_threshold(validation, wanted)
    turned = validation.assign(y=1 - validation["y"], probability=1 - validation["probability"])
    high = 1 - evaluation.operating_threshold(turned, wanted)
    return Band(low, max(low, round(high, 6)))


def outcome(scores: pd.DataFrame, chosen: Band) -> pd.DataFrame:
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
        name: evaluation.limits(of[among], scores["patient"][among])
        for name, (of, among) in asked.items()
    }
    return pd.DataFrame(rows).T
