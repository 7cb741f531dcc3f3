"""How well a network does: metrics, their intervals, comparisons.

``scores`` is a frame with a row a film and the columns ``patient``, ``y`` (1 for pneumonia) and
``probability``; a film is called when its probability reaches the threshold. Intervals are 95%
percentile intervals of a bootstrap over patients: films of one child are not independent.
"""

import functools
import math
import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from helpers import config


@functools.lru_cache(maxsize=16)  # a few parts of the films, asked for by every table
def _times_drawn(patients: int, count: int, seed: int) -> np.ndarray:
    """Once each, then how often each is drawn: (1 + count, patients) uint8, small to be kept."""
    rng = np.random.default_rng(seed)
    times = rng.multinomial(patients, np.full(patients, 1 / patients), size=count)
    return np.insert(times.astype(np.uint8), 0, 1, axis=0)


def with_draws(
    patients: pd.Series, count: int = config.BOOTSTRAP_DRAWS, seed: int = config.SEED
) -> np.ndarray:
    """How often each film counts, (1 + count, films): once, then in each bootstrap draw.

    A draw takes as many patients as there are, with replacement; all films of a patient come along.
    """
    codes, known = pd.factorize(patients)
    return _times_drawn(len(known), count, seed)[:, codes].astype(float)


def weighted_metrics(scores: pd.DataFrame, threshold: float, weights: np.ndarray) -> pd.DataFrame:
    """Metrics (columns) by row of ``weights`` (draws, films): scikit-learn's, but quicker."""
    y, p = scores["y"].to_numpy(), scores["probability"].to_numpy()
    sick, called = y == 1, p >= threshold
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN where undefined
        counted = np.column_stack([sick, ~sick, sick & called, ~sick & ~called]).astype(float)
        positive, negative, tp, tn = (weights @ counted).T
        named = {
            "accuracy": (tp + tn) / (positive + negative),
            "sensitivity": tp / positive,
            "specificity": tn / negative,
            "AUROC": _auroc(sick, p, weights),
            "Brier": weights @ (p - y) ** 2 / (positive + negative),  # mean squared error
        }
    return pd.DataFrame(named)


def _auroc(sick: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted AUROC (Mann-Whitney, ties half), one a row of weights."""
    order = np.argsort(-probability, kind="stable")
    starts = np.flatnonzero(np.diff(probability[order], prepend=np.inf))
    found = []
    for some in np.array_split(weights, len(weights) // 250 + 1):  # all at once fill the memory
        kinds = (some[:, order] * kind[order] for kind in (sick, ~sick))
        pos, neg = (np.add.reduceat(of, starts, axis=1, dtype=float) for of in kinds)
        fp = neg.cumsum(axis=1)
        # Share of normal films scored below each pneumonia film, equal scores counting half.
        below = (pos * (fp[:, -1:] - fp + neg / 2)).sum(axis=1)
        found.append(below / (pos.sum(axis=1) * fp[:, -1]))
    return np.concatenate(found)


def point(scores: pd.DataFrame, threshold: float) -> pd.Series:
    """Metrics of one network, every film counting once."""
    return weighted_metrics(scores, threshold, np.ones((1, len(scores)))).iloc[0]


def bootstrap(scores: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Bootstrap draws (rows) of the metrics (columns) of one network."""
    return weighted_metrics(scores, threshold, with_draws(scores["patient"])[1:])


def interval(drawn: pd.DataFrame | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper 95% percentile limits of bootstrap draws (rows), per column; NaN of NaN."""
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # of NaN alone
        return tuple(np.nanpercentile(drawn, [2.5, 97.5], axis=0))


def limits(values: np.ndarray) -> dict[str, float]:
    """What was made of each row of ``with_draws``, as value, low, high."""
    low, high = interval(values[1:])
    return {"value": float(values[0]), "low": float(low), "high": float(high)}


def bootstrap_mean(
    values: np.ndarray, patients: pd.Series, weights: np.ndarray | None = None
) -> dict[str, float]:
    """Mean of a value a film (n,), each counted by ``weights`` (n,) if given: value, low, high."""
    weights = np.ones(len(values)) if weights is None else weights
    codes, known = pd.factorize(patients)
    times = _times_drawn(len(known), config.BOOTSTRAP_DRAWS, config.SEED)
    total, count = (times @ np.bincount(codes, of) for of in (weights * values, weights))
    with np.errstate(invalid="ignore"):  # a draw may hold nobody of weight
        return limits(total / count)


def proportion(right: np.ndarray, patients: pd.Series) -> dict[str, float]:
    """Share of films (n,) bool that are right: value, low, high; NaN without films.

    Where all or none are right, of which a bootstrap knows nothing else, the exact binomial limit
    (Clopper and Pearson 1934), counting patients.
    """
    if len(right) == 0:
        return {"value": np.nan, "low": np.nan, "high": np.nan}
    least = 0.025 ** (1 / patients.nunique())
    if np.all(right):
        return {"value": 1.0, "low": least, "high": 1.0}
    return bootstrap_mean(right, patients) | ({} if np.any(right) else {"high": 1 - least})


def estimate(scores: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Metrics (rows) of one network with 95% limits: value, low, high."""
    low, high = interval(bootstrap(scores, threshold))
    table = pd.DataFrame({"value": point(scores, threshold), "low": low, "high": high})
    y, called = scores["y"].to_numpy() == 1, scores["probability"].to_numpy() >= threshold
    among = {"accuracy": y | ~y, "sensitivity": y, "specificity": ~y}
    for metric, films in among.items():
        if table.loc[metric, "value"] in (0.0, 1.0):
            table.loc[metric] = proportion((called == y)[films], scores["patient"][films])
    return table


def auroc_within(scores: pd.DataFrame, column: str) -> dict[str, float]:
    """AUROC of pairs of films alike in ``column``: value, low, high; NaN without such a pair.

    The mean of the AUROC of each value of ``column``, weighted by its pairs of sick and healthy.
    """
    weights, sick, ordered, pairs = with_draws(scores["patient"]), scores["y"].to_numpy() == 1, 0, 0
    for kind in scores[column].unique():
        rows = (scores[column] == kind).to_numpy()
        count = (weights @ (rows & sick)) * (weights @ (rows & ~sick))
        auroc = weighted_metrics(scores[rows], 0.5, weights[:, rows])["AUROC"].fillna(0)
        ordered, pairs = ordered + count * auroc.to_numpy(), pairs + count
    with np.errstate(invalid="ignore"):
        return limits(ordered / pairs)


def compare(first: pd.DataFrame, second: pd.DataFrame, cuts: tuple[float, float]) -> pd.DataFrame:
    """Second minus first network at their thresholds: metrics (rows); value, low, high.

    Paired by patient. ValueError where the two were not scored on the same films in one order.
    """
    if list(first["film"]) != list(second["film"]):
        raise ValueError("the networks were scored on different films: no paired comparison")
    low, high = interval(bootstrap(second, cuts[1]) - bootstrap(first, cuts[0]))
    value = point(second, cuts[1]) - point(first, cuts[0])
    return pd.DataFrame({"value": value, "low": low, "high": high})


def by_seed(seeds: pd.DataFrame, films: pd.DataFrame, threshold: float = 0.5) -> pd.DataFrame:
    """Metrics (columns) of each seed (rows) of one recipe; arguments as in ``compare_seeds``."""
    each = {s: point(films.assign(probability=seeds[s].array), threshold) for s in seeds}
    return pd.DataFrame(each).T.rename_axis("seed")


def compare_seeds(
    first: pd.DataFrame, second: pd.DataFrame, films: pd.DataFrame, threshold: float = 0.5
) -> pd.DataFrame:
    """Second minus first recipe, each trained with several seeds: value, low, high.

    ``first`` and ``second`` hold a column of probabilities a seed, ``films`` the y and patient
    of their rows. The value is the difference of the means over seeds; a draw takes patients (the
    same for both) and seeds, so the interval covers the luck of the films and of the training.
    """
    rng, drawn = np.random.default_rng(config.SEED), []
    for table in (first, second):
        count = table.shape[1]
        luck = rng.multinomial(count, np.full(count, 1 / count), config.BOOTSTRAP_DRAWS) / count
        each = [bootstrap(films.assign(probability=p), threshold) for p in table.to_numpy().T]
        drawn.append(sum(one.mul(share, axis=0) for one, share in zip(each, luck.T, strict=True)))
    low, high = interval(drawn[1] - drawn[0])
    before, after = (by_seed(table, films, threshold).mean() for table in (first, second))
    return pd.DataFrame({"value": after - before, "low": low, "high": high})


def confusion(scores: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Counts of films: true class (rows) by called class (columns)."""
    called = (scores["probability"] >= threshold).astype(int)
    counts = confusion_matrix(scores["y"], called, labels=[0, 1])
    rows, columns = (pd.Index(config.LABELS, name=name) for name in ("film is", "called"))
    return pd.DataFrame(counts, index=rows, columns=columns)


def accuracy_by(scores: pd.DataFrame, threshold: float, column: str) -> pd.DataFrame:
    """Share called correctly for each value of ``column``: value, low, high, films."""
    rows = {}
    for kind, films in scores.groupby(column):
        right = (films["probability"] >= threshold) == (films["y"] == 1)
        rows[kind] = {**proportion(right, films["patient"]), "films": len(films)}
    return pd.DataFrame(rows).T.astype({"films": int})


def short(value: float, digits: int = 3) -> str:
    """A share without its leading zero: .956, −.012, 1.000; a dash where undefined."""
    if not math.isfinite(value):
        return "–"
    text = f"{abs(value):.{digits}f}".removeprefix("0")
    return f"−{text}" if round(value, digits) < 0 else text


def tidy(value: float) -> str:
    """A number in a table: a share as ``short`` writes it, a count whole, else one decimal."""
    if not math.isfinite(value) or abs(value) <= 1:
        return short(value)
    return f"{value:.0f}" if value == round(value) else f"{value:.1f}"


def written(table: pd.DataFrame) -> pd.Series:
    """Estimates as text, ``.956 [.941, .970]``; undefined ones as a dash."""
    text = table[["value", "low", "high"]].map(short)
    return text["value"] + " [" + text["low"] + ", " + text["high"] + "]"


def overview(estimates: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Several networks' estimates as one table of text, a row a network."""
    table = pd.DataFrame({name: written(of) for name, of in estimates.items()}).T
    return table[["AUROC", "accuracy", "sensitivity", "specificity"]]
