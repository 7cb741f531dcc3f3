"""Operating points: the probability from which on a film is called pneumonia."""

import numpy as np
import pandas as pd

from helpers import config

SENSITIVITY = 0.97  # of a hundred sick children in validation at most three may be missed


def operating_threshold(
    scores: pd.DataFrame,
    sensitivity: float = config.TARGET_SENSITIVITY,
    weights: pd.Series | None = None,
) -> float:
    """Highest threshold at which ``scores`` keeps at least ``sensitivity``, films counted alike.

    ``weights`` (n,) counts them otherwise. It is laid midway between the lowest pneumonia score
    that must be called and the next score below, so that it does not hang on the last digit of one
    film. ValueError for no pneumonia film with weight, or a sensitivity not in (0, 1].
    """
    if not 0 < sensitivity <= 1:
        raise ValueError(f"sensitivity {sensitivity}: must lie in (0, 1]")
    sick, p = scores["y"].to_numpy() == 1, scores["probability"].to_numpy()
    weight = (np.ones(len(p)) if weights is None else np.asarray(weights, float))[sick]
    if not weight.sum() > 0:
        raise ValueError("no pneumonia film to choose a threshold on")
    order = np.argsort(-p[sick], kind="stable")
    kept = np.cumsum(weight[order]) / weight.sum()
    # The epsilon keeps .98 of 50 from missing none for want of a digit.
    called = p[sick][order][np.argmax(kept >= sensitivity - 1e-9)]
    return round(float((called + p[p < called].max(initial=0.0)) / 2), 6)


def equal_error_threshold(scores: pd.DataFrame, weights: pd.Series) -> float:
    """Threshold at which misses and false alarms are equally frequent, counted by ``weights``.

    Between the two scores where the balance turns. ValueError if not both classes have weight.
    """
    ordered = scores.assign(weight=weights).sort_values("probability", kind="stable")
    p, weight = ordered["probability"].to_numpy(), ordered["weight"].to_numpy()
    sick = ordered["y"].to_numpy() == 1
    if not (weight[sick].sum() > 0 and weight[~sick].sum() > 0):
        raise ValueError("not both classes have films to choose a threshold on")
    # After the k-th film: misses if all up to it are called normal, alarms among the rest.
    missed = np.cumsum(weight * sick) / weight[sick].sum()
    alarmed = 1 - np.cumsum(weight * ~sick) / weight[~sick].sum()
    last = int(np.argmax(missed >= alarmed))
    return round(float((p[max(last - 1, 0)] + p[last]) / 2), 6)


def rule_parts(validation: pd.DataFrame) -> tuple[float, float]:
    """The two thresholds of the final network's rule, which was fixed before it was trained.

    Counted by ``weight``, so that the background says nothing, misses and false alarms are to be
    equally frequent; and of all films with pneumonia at least SENSITIVITY must be called.
    """
    even = equal_error_threshold(validation, validation["weight"])
    return even, operating_threshold(validation, SENSITIVITY)


def stress_threshold(validation: pd.DataFrame) -> float:
    """The final network's operating point: the lower part of the rule."""
    return min(rule_parts(validation))
