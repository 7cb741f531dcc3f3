"""Operating points, from which on a film is called pneumonia: by convention, or by a rule."""

import functools
from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

CONVENTION = 0.5  # at which everybody reports


def operating_threshold(scores: pd.DataFrame, sensitivity: float) -> float:
    """Highest threshold at which ``scores`` keeps at least ``sensitivity``.

    It is laid midway between the lowest pneumonia score that must be called and the next score
    below, so that it does not hang on the last digit of one film. ValueError for no pneumonia
    film, or a sensitivity not in (0, 1].
    """
    if not 0 < sensitivity <= 1:
        raise ValueError(f"sensitivity {sensitivity}: must lie in (0, 1]")
    p = scores["probability"].to_numpy()
    sick = np.sort(p[scores["y"] == 1])[::-1]
    if not len(sick):
        raise ValueError("no pneumonia film to choose a threshold on")
    # The epsilon keeps .98 of 50 from missing none for want of a digit.
    called = sick[int(np.ceil(sensitivity * len(sick) - 1e-9)) - 1]
    return round(float((called + p[p < called].max(initial=0.0)) / 2), 6)


def youden_threshold(scores: pd.DataFrame) -> float:
    """Threshold with the highest sensitivity + specificity (Youden 1950), as laid above."""
    p = scores["probability"].to_numpy()
    alarmed, found, cuts = roc_curve(scores["y"], p, drop_intermediate=False)
    called = cuts[np.argmax(found - alarmed)]
    return round(float((called + p[p < called].max(initial=0.0)) / 2), 6)


# Ways to choose an operating point on films that a network has not learnt from, by name.
RULES: dict[str, Callable[[pd.DataFrame], float]] = {
    "0.5": lambda scores: CONVENTION,
    "Youden's index": youden_threshold,
} | {
    f"{share:.0%} of the sick": functools.partial(operating_threshold, sensitivity=share)
    for share in (0.95, 0.97, 0.98)
}
