"""How well a network does, with intervals: metrics, operating points, comparisons.

Everywhere ``scores`` is a frame with one row a film and the columns ``patient``, ``y`` (1 for
pneumonia) and ``probability``, as ``study.Result.scores`` gives it; a film is called pneumonia
when its probability reaches the threshold. Intervals are 95% percentile intervals of a
bootstrap over patients, because films of one child are not independent. Scikit-learn gives the
point estimates; only the bootstrap is ours, since 2,000 calls a network would take minutes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn import metrics as sk

from helpers import config

METRICS = (
    "accuracy",
    "sensitivity",
    "specificity",
    "precision",
    "F1",
    "AUROC",
    "AUPRC",
    "Brier",
)


def point(scores: pd.DataFrame, threshold: float) -> dict[str, float]:
    """All metrics of one network at ``threshold``, by scikit-learn.

    AUROC and AUPRC (average precision) do not use the threshold; the Brier score is the mean
    squared error of the probability (0 best, .25 for a constant half).
    """
    y, p = scores["y"].to_numpy(), scores["probability"].to_numpy()
    called = (p >= threshold).astype(int)
    return {
        "accuracy": sk.accuracy_score(y, called),
        "sensitivity": sk.recall_score(y, called),
        "specificity": sk.recall_score(y, called, pos_label=0),
        "precision": sk.precision_score(y, called, zero_division=np.nan),
        "F1": sk.f1_score(y, called),
        "AUROC": sk.roc_auc_score(y, p),
        "AUPRC": sk.average_precision_score(y, p),
        "Brier": sk.brier_score_loss(y, p),
    }


def patient_weights(
    patients: pd.Series, count: int = config.BOOTSTRAP_DRAWS, seed: int = config.SEED
) -> np.ndarray:
    """How often each film counts in each bootstrap draw, as (count, films) float64.

    A draw takes as many patients as there are, with replacement; all films of a patient come
    along. The same patients and seed give the same draws, which makes comparisons paired.
    """
    code, names = pd.factorize(patients)
    return _patient_weights(code.tobytes(), code.dtype.str, len(names), count, seed)


@functools.lru_cache(maxsize=4)  # a few parts of the films, asked for by every table
def _patient_weights(code: bytes, kind: str, patients: int, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    times = rng.multinomial(patients, np.full(patients, 1 / patients), size=count)
    weights = times[:, np.frombuffer(code, kind)].astype(np.float64)
    weights.flags.writeable = False  # it is everybody's
    return weights


def weighted(
    y: np.ndarray, probability: np.ndarray, threshold: float, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """All metrics for every row of ``weights`` (draws, films), each as (draws,).

    Equal to scikit-learn's with ``sample_weight``, ties included; NaN where undefined.
    """
    sick, called = y == 1, probability >= threshold
    with np.errstate(divide="ignore", invalid="ignore"):
        total, positive = weights.sum(axis=1), weights[:, sick].sum(axis=1)
        tp = weights[:, sick & called].sum(axis=1)
        fp = weights[:, ~sick & called].sum(axis=1)
        negative = total - positive
        auroc, auprc = _areas(sick, probability, weights)
        return {
            "accuracy": (tp + negative - fp) / total,
            "sensitivity": tp / positive,
            "specificity": 1 - fp / negative,
            "precision": tp / (tp + fp),
            "F1": 2 * tp / (tp + fp + positive),
            "AUROC": auroc,
            "AUPRC": auprc,
            "Brier": weights @ (probability - y) ** 2 / total,
        }


def _areas(
    sick: np.ndarray, probability: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted AUROC (Mann-Whitney, ties half) and average precision, one a row of weights."""
    order = np.argsort(-probability, kind="stable")
    starts = np.flatnonzero(np.diff(probability[order], prepend=np.inf))
    in_order = weights[:, order]
    pos = np.add.reduceat(in_order * sick[order], starts, axis=1)
    neg = np.add.reduceat(in_order * ~sick[order], starts, axis=1)
    tp, fp = pos.cumsum(axis=1), neg.cumsum(axis=1)
    # Share of normal films scored below each pneumonia film, equal scores counting half.
    auroc = (pos * (fp[:, -1:] - fp + neg / 2)).sum(axis=1) / (tp[:, -1] * fp[:, -1])
    precision = np.divide(tp, tp + fp, out=np.zeros_like(tp), where=tp + fp > 0)
    return auroc, (pos * precision).sum(axis=1) / tp[:, -1]


def aurocs(y: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AUROC for every row of ``weights`` (draws, films): (draws,)."""
    return _areas(y == 1, probability, weights)[0]


def draws(
    scores: pd.DataFrame, threshold: float, count: int = config.BOOTSTRAP_DRAWS
) -> pd.DataFrame:
    """Bootstrap draws (rows) of all metrics (columns) of one network; made once for the same."""
    y, p = scores["y"].to_numpy(np.int64), scores["probability"].to_numpy(np.float64)
    code = pd.factorize(scores["patient"])[0].astype(np.int64)
    return _draws(y.tobytes(), p.tobytes(), code.tobytes(), float(threshold), count).copy()


@functools.lru_cache(maxsize=256)  # 130 kB each
def _draws(y: bytes, p: bytes, code: bytes, threshold: float, count: int) -> pd.DataFrame:
    weights = patient_weights(pd.Series(np.frombuffer(code, np.int64)), count)
    answers = np.frombuffer(y, np.int64), np.frombuffer(p, np.float64)
    return pd.DataFrame(weighted(*answers, threshold, weights))


def interval(drawn: pd.DataFrame | pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper 95% percentile limits of bootstrap draws, per column."""
    low, high = np.nanpercentile(drawn, [2.5, 97.5], axis=0)
    return low, high


def estimate(scores: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Metrics of one network with 95% limits: rows METRICS, columns value, low, high."""
    low, high = interval(draws(scores, threshold))
    table = pd.DataFrame({"value": point(scores, threshold)}).assign(low=low, high=high)
    y, called = scores["y"].to_numpy() == 1, scores["probability"].to_numpy() >= threshold
    among = {"accuracy": y | ~y, "sensitivity": y, "specificity": ~y, "precision": called}
    for metric, films in among.items():
        if table.loc[metric, "value"] in (0.0, 1.0):  # of which a bootstrap knows nothing else
            exact = limits((called == y)[films], scores["patient"][films])
            table.loc[metric, ["low", "high"]] = exact["low"], exact["high"]
    return table.loc[list(METRICS)]


def compare(
    first: pd.DataFrame, second: pd.DataFrame, thresholds: tuple[float, float]
) -> pd.DataFrame:
    """Second minus first network on the same films: rows METRICS, columns value, low, high.

    Paired: each draw holds the same patients for both.

    Raises:
        ValueError: the two were not scored on the same films in the same order.
    """
    if list(first["film"]) != list(second["film"]):
        raise ValueError("the networks were scored on different films: no paired comparison")
    low, high = interval(draws(second, thresholds[1]) - draws(first, thresholds[0]))
    before, after = point(first, thresholds[0]), point(second, thresholds[1])
    table = pd.DataFrame({"value": {name: after[name] - before[name] for name in METRICS}})
    return table.assign(low=low, high=high)


def compare_seeds(
    first: pd.DataFrame,
    second: pd.DataFrame,
    films: pd.DataFrame,
    threshold: float = 0.5,
    seed: int = config.SEED,
) -> pd.DataFrame:
    """Second minus first recipe, each trained with several seeds: value, low, high.

    ``first`` and ``second`` hold a column of probabilities a seed, ``films`` the y and patient
    of their rows. The value is the difference of the mean metric over seeds; a draw takes
    patients (the same for both) and seeds with replacement, so the interval covers the luck of
    the films and the luck of the training.
    """
    weights = patient_weights(films["patient"], seed=seed)
    y, rng = films["y"].to_numpy(), np.random.default_rng(seed)
    drawn, means = [], []
    for table in (first, second):
        per_seed = [weighted(y, table[s].to_numpy(), threshold, weights) for s in table]
        luck = rng.multinomial(
            len(per_seed), np.full(len(per_seed), 1 / len(per_seed)), len(weights)
        )
        columns = {m: np.column_stack([one[m] for one in per_seed]) for m in METRICS}
        drawn.append(
            pd.DataFrame({m: (v * luck).sum(axis=1) / len(per_seed) for m, v in columns.items()})
        )
        means.append(by_seed(table, films, threshold).mean())
    low, high = interval(drawn[1] - drawn[0])
    value = (means[1] - means[0]).loc[list(METRICS)]
    return pd.DataFrame({"value": value, "low": low, "high": high})


def by_seed(
    probabilities: pd.DataFrame, films: pd.DataFrame, threshold: float = 0.5
) -> pd.DataFrame:
    """Metrics (columns) of each seed (rows) of one recipe; arguments as in ``compare_seeds``."""
    scored = {
        seed: point(films.assign(probability=column.to_numpy()), threshold)
        for seed, column in probabilities.items()
    }
    return pd.DataFrame(scored).T.rename_axis(index="seed")


def confusion(scores: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Counts of films: true class (rows) by called class (columns)."""
    called = (scores["probability"] >= threshold).astype(int)
    counts = sk.confusion_matrix(scores["y"], called, labels=[0, 1])
    return pd.DataFrame(
        counts,
        index=pd.Index(config.LABELS, name="film is"),
        columns=pd.Index(config.LABELS, name="called"),
    )


def by_subtype(scores: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Share called correctly in each subtype: value, low, high and the number of films."""
    return by(scores, threshold, "subtype").reindex(config.SUBTYPES)


def by(scores: pd.DataFrame, threshold: float, column: str) -> pd.DataFrame:
    """Share called correctly for each value of ``column``: value, low, high, films."""
    rows = {}
    for kind, films in scores.groupby(column):
        right = ((films["probability"] >= threshold) == (films["y"] == 1)).to_numpy()
        rows[kind] = {**limits(right, films["patient"]), "films": len(films)}
    return pd.DataFrame(rows).T.astype({"films": int})


def limits(right: np.ndarray, patients: pd.Series) -> dict[str, float]:
    """Share of films (n,) bool that are right, with 95% limits: value, low, high.

    Bootstrap over patients; where all or none are right, of which a bootstrap knows nothing else,
    the exact binomial limit (Clopper and Pearson 1934), counting patients. NaN without films.
    """
    if len(right) == 0:
        return dict.fromkeys(("value", "low", "high"), np.nan)
    value, count = float(np.mean(right)), patients.nunique()
    if value in (0.0, 1.0):
        reach = 1 - 0.025 ** (1 / count)
        low, high = (1 - reach, 1.0) if value else (0.0, reach)
    else:
        weights = patient_weights(patients)
        low, high = interval(pd.Series(weights @ np.asarray(right, float) / weights.sum(axis=1)))
    return {"value": value, "low": float(low), "high": float(high)}


def written(table: pd.DataFrame, digits: int = 3) -> pd.Series:
    """Estimates as text, ``.956 [.941, .970]``; undefined ones as a dash."""
    text = table[["value", "low", "high"]].map(lambda value: short(value, digits))
    return text["value"] + " [" + text["low"] + ", " + text["high"] + "]"


def overview(
    estimates: Mapping[str, pd.DataFrame],
    metrics: Sequence[str] = ("AUROC", "accuracy", "sensitivity", "specificity"),
) -> pd.DataFrame:
    """Several networks' estimates as one table of text, a row a network."""
    return pd.DataFrame(
        {name: written(table)[list(metrics)] for name, table in estimates.items()}
    ).T


def tidy(value: float) -> str:
    """A number in a table: a share as ``short`` writes it, a count whole, else one decimal."""
    if not math.isfinite(value):
        return "–"
    if abs(value) <= 1:
        return short(value)
    return f"{value:.0f}" if value == round(value) else f"{value:.1f}"


def short(value: float, digits: int = 3) -> str:
    """A share without its leading zero: .956, −.012, 1.000; a dash where undefined."""
    if not math.isfinite(value):
        return "–"
    text = f"{abs(value):.{digits}f}"
    text = text.removeprefix("0") if text.startswith("0.") else text
    return f"−{text}" if round(value, digits) < 0 else text
