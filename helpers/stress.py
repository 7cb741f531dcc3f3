"""A validation that shows the shift: films against their stereotype, and counterfactual pairs.

A bench for trials is made from official training films alone: the test films' rows are dropped
before a pixel is read, so no choice that rests on it can have seen one.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from sklearn import metrics as sk
from sklearn.model_selection import StratifiedGroupKFold

from helpers import config, dataset, files, lungs, robustness, shortcuts, training, views
from helpers.lungs import Found
from helpers.recipes import MILD, Recipe

FOLDER = "shift"
TABLE, FLIPS = "films.csv", "flips.csv"

# Of a hundred sick children in the validation films at most three may be missed.
SENSITIVITY = 0.97


def margins(films: dataset.Films) -> pd.DataFrame:
    """What each film's surround tells: film, part, features, group, margin, held_out.

    ``margin`` is the probability of pneumonia from the margin alone, ``group`` the kind of
    apparatus (1 the most frequent), ``held_out`` marks the training films kept out of trials.
    """
    films, pictures = dataset.load(films, config.SOURCE_SIZE)
    with ThreadPoolExecutor() as pool:
        known = pd.DataFrame(list(pool.map(shortcuts.features, pictures)))
    table = films.table[["film", "part", "label", "patient"]].reset_index(drop=True)
    margin = shortcuts.stereotype(
        table, shortcuts.margin_matrix(lungs.resized(pictures, 32), known)
    )
    told = table[["film", "part"]].assign(
        group=shortcuts.groups(table, known),
        margin=margin.round(4),
        held_out=shortcuts.held_out(table, margin),
    )
    return pd.concat([told, known.round(3)], axis=1)


# What is outside the lungs, as a network small enough to be trained five times over sees it.
SURROUND = Recipe(
    name="surround",
    title="All but the lungs",
    network="final",
    side=64,
    view="without_lungs",
    optimizer="adamw",
    learning_rate=2e-3,
    epochs=8,
    cosine=True,
    warmup_epochs=1,
    weight_decay=1e-2,
    patience=None,
    take="last",
    augmentation=MILD,
)


def surround(table: pd.DataFrame, pictures: np.ndarray, build: Path) -> np.ndarray:
    """Probability of pneumonia from everything but the lungs, for official training films.

    ``pictures`` (n, side, side) uint8 with the lungs blacked out, in the order of ``table``
    (label, patient, part). Each film's value comes from a network that saw neither the film nor
    the child; Platt scaling makes a share of about e of the films of value e sick. Test films
    get NaN: nothing is asked of them.
    """
    y = (table["label"] == "PNEUMONIA").to_numpy().astype(int)
    rows = np.flatnonzero(table["part"] != "test")
    told = np.full(len(y), np.nan)
    folds = StratifiedGroupKFold(shortcuts.FOLDS, shuffle=True, random_state=config.SEED)
    for fold, (learn, ask) in enumerate(
        folds.split(rows, y[rows], groups=table["patient"].to_numpy()[rows])
    ):
        learn, ask = rows[learn], rows[ask]
        fitted = training.fit(
            SURROUND,
            fold + 1,
            (pictures[learn], y[learn]),
            (pictures[ask], y[ask]),
            build / f"surround-{SURROUND.digest()}-{fold}",
        )
        told[ask] = training.predict(fitted.model, pictures[ask])
    told[rows] = shortcuts.platt(told[rows], y[rows])
    return told


def write(root: Path, table: pd.DataFrame) -> Path:
    """Record what ``margins`` found, under ``root``."""
    path = root / FOLDER / TABLE
    files.write_text(path, table.to_csv(index=False, lineterminator="\n"))
    return path


def read(root: Path = config.RESULTS) -> pd.DataFrame:
    """What ``margins`` found, as recorded; indexed by film."""
    return pd.read_csv(root / FOLDER / TABLE).set_index("film")


def weighed(scores: pd.DataFrame, root: Path = config.RESULTS) -> pd.DataFrame:
    """``scores`` (film, y, …) with surround, group and weight against the stereotype."""
    told = scores.join(read(root)[["surround", "group"]], on="film")
    return told.assign(weight=shortcuts.overlap_weights(told["y"], told["surround"]))


def training_weights(
    recipe: Recipe, films: pd.DataFrame, root: Path = config.RESULTS
) -> np.ndarray | None:
    """How much each training film counts where the recipe balances margins; else None.

    ``films`` needs film and label. A film never counts less than a tenth of one against its
    stereotype, or most films would teach nothing.
    """
    if recipe.margins != "balanced":
        return None
    films = films.assign(y=(films["label"] == "PNEUMONIA").astype(int))
    if "surround" not in films:
        films = weighed(films, root)
    weight = np.maximum(shortcuts.overlap_weights(films["y"], films["surround"]), 0.1)
    return weight / weight.mean()


@dataclass(frozen=True)
class Bench:
    """Official training films ready for trials: pixels, lungs, weights, counterfactual pairs.

    ``table`` has film, part, label, patient, y, margin, weight (against the stereotype), role:
    "training", "validation", or "stress" for the training films held out. ``changed`` gives
    for each change the validation films as another apparatus would show them, and their lungs.
    """

    table: pd.DataFrame
    pictures: np.ndarray
    found: Found
    changed: dict[str, tuple[np.ndarray, Found]]

    def seen(self, view: str, side: int) -> dict[str, np.ndarray]:
        """All films (key "") and the changed ones (key: the change) as one view shows them."""
        told = {"": views.look(view, self.pictures, self.found, side)}
        for change, (pictures, found) in self.changed.items():
            told[change] = views.look(view, pictures, found, side)
        return told


def roles(table: pd.DataFrame) -> pd.Series:
    """Part that each film plays in a trial: training, validation, or stress."""
    return table["part"].mask(table["held_out"], "stress")


def bench(films: dataset.Films, margin: pd.DataFrame, network: keras.Model) -> Bench:
    """Prepare the trials: read the films, find the lungs, make the counterfactual pairs."""
    official = films.table[films.table["part"] != "test"].reset_index(drop=True)
    films, pictures = dataset.load(replace(films, table=official), config.SOURCE_SIZE)
    table = films.table.join(
        margin[["margin", "surround", "held_out", "group", "marker"]], on="film"
    )
    table["y"] = (table["label"] == "PNEUMONIA").astype(int)
    table["weight"] = shortcuts.overlap_weights(table["y"], table["surround"])
    table["role"] = roles(table)
    given = robustness.donors(table, table["margin"].to_numpy(), table["marker"].to_numpy() > 0)
    rows = np.flatnonzero(table["role"] == "validation")
    changed = {}
    for change in robustness.CHANGES:
        made = robustness.counterfactuals(change, pictures[rows], pictures[given[rows]])
        changed[change] = (made, lungs.find(network, made))
    return Bench(table, pictures, lungs.find(network, pictures), changed)


def threshold(scores: pd.DataFrame, sensitivity: float = SENSITIVITY) -> float:
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
    return even_threshold(validation), threshold(validation.assign(weight=1.0))


def operating_threshold(validation: pd.DataFrame) -> float:
    """The final network's operating point: the lower part of the rule."""
    return min(rule_parts(validation))


def figures(scores: pd.DataFrame) -> dict[str, float]:
    """AUROC, and specificity at the stress sensitivity, with and without the weights.

    ``scores`` needs y, probability, weight and role; "validation" counts validation films
    alike, "stress" validation and held-out films by their weight.
    """
    plain = scores[scores["role"] == "validation"].assign(weight=1.0)
    told = {}
    for name, films in (("validation", plain), ("stress", scores)):
        called = films["probability"] >= threshold(films)
        well = films["y"] == 0
        told[f"{name} AUROC"] = sk.roc_auc_score(
            films["y"], films["probability"], sample_weight=films["weight"]
        )
        told[f"{name} specificity"] = float(
            1 - np.average(called[well], weights=films.loc[well, "weight"])
        )
    return told
