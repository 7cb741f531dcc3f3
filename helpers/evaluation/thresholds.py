"""Operating points: the probability from which on an image is called pneumonia."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from helpers import config

# Of a hundred sick children in the validation films at most three may be missed.
SENSITIVITY = 0.97


def weighted_threshold(scores: pd.DataFrame, sensitivity: float = SENSITIVITY) -> float:
    """Highest threshold that keeps ``sensitivity`` of the weighted pneumonia films.

    ``scores`` needs y, probability, weight. Midway to the next lower score, as
    ``evaluation.operating_threshold``, which is this with equal weights.

    Raises:
        ValueError: no pneumonia film with weight.
    """
    sick = scores[scores["y"] == 1].sort_values("probability", ascending=False)
    if not sick["weight"].sum() > 0:
        raise ValueError("no pneumonia film to choose a threshold on")
    kept = sick["weight"].cumsum() / sick["weight"].sum()
    called = sick["probability"].iloc[int(np.argmax(kept >= sensitivity - 1e-9))]
    below = scores.loc[scores["probability"] < called, "probability"]
    return round(float((called + (below.max() if len(below) else 0.0)) / 2), 6)


def even_threshold(scores: pd.DataFrame) -> float:
    """Threshold at which misses and false alarms are equally frequent, counted by weight.

    ``scores`` needs y, probability, weight. Between the two scores where the balance turns.

    Raises:
        ValueError: not both classes have weight.
    """
    ordered = scores.sort_values("probability")
    sick = ordered["y"].to_numpy() == 1
    weight = ordered["weight"].to_numpy()
    if not (weight[sick].sum() > 0 and weight[~sick].sum() > 0):
        raise ValueError("not both classes have films to choose a threshold on")
    # After the k-th film: misses if all up to it are called normal, alarms among the rest.
    missed = np.cumsum(weight * sick) / weight[sick].sum()
    alarmed = 1 - np.cumsum(weight * ~sick) / weight[~sick].sum()
    last = int(np.argmax(missed >= alarmed))
    p = ordered["probability"].to_numpy()
    return round(float((p[max(last - 1, 0)] + p[last]) / 2), 6)


def rule_parts(validation: pd.DataFrame) -> tuple[float, float]:
    """The two thresholds of the final network's rule, which was fixed before it was trained.

    Where the surround says nothing (``validation`` counted by weight) misses and false alarms
    are to be equally frequent; and of all validation films with pneumonia, counted alike, at
    least SENSITIVITY must be called.
    """
    return even_threshold(validation), weighted_threshold(validation.assign(weight=1.0))


def stress_threshold(validation: pd.DataFrame) -> float:
    """The final network's operating point: the lower part of the rule."""
    return min(rule_parts(validation))


def operating_threshold(
    scores: pd.DataFrame, sensitivity: float = config.TARGET_SENSITIVITY
) -> float:
    """Highest threshold at which ``scores`` keeps at least ``sensitivity``.

    It is laid midway between the lowest pneumonia score that must be called and the next score
    below it, so that it does not hang on the last digit of one film.

    Raises:
        ValueError: no pneumonia film, or a sensitivity outside 0..1 (0 excluded).
    """
    if not 0 < sensitivity <= 1:
        raise ValueError(f"sensitivity {sensitivity}: must lie in (0, 1]")
    positive = np.sort(scores.loc[scores["y"] == 1, "probability"].to_numpy())
    if positive.size == 0:
        raise ValueError("no pneumonia film to choose a threshold on")
    # How many may be missed; the epsilon keeps .98 of 50 from missing none for want of an ulp.
    missed = math.floor((1 - sensitivity) * positive.size + 1e-9)
    called = positive[min(missed, positive.size - 1)]
    below = scores.loc[scores["probability"] < called, "probability"]
    return round(float((called + (below.max() if len(below) else 0.0)) / 2), 6)
