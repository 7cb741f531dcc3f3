"""Chapter 9's measurements on the full films, recorded: what breaks a network, where it looks.

Two networks side by side: the final one, and CNN 5, whose weights are not kept: one of its
trainings is repeated with the same settings, and this *reference* is kept instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from helpers import config, explain, storage
from helpers.data import dataset
from helpers.evaluation import thresholds
from helpers.models import classifiers, ensemble, lungs, views
from helpers.models.ensemble import Ensemble
from helpers.models.lungs import Found
from helpers.shortcuts import acquisition, perturbations
from helpers.training import fit, recipes, record
from helpers.training.study import Study

FOLDER = "trust"
REFERENCE = "cnn_5"
PLAIN = "as it is"
MAPS, SANITY_CHECK = "looks.csv", "likeness.csv"
SANE = 100  # films for the sanity check: its correlations differ by far more than their error

Tell = Callable[[str], object]


def train_reference(films: dataset.Films, root: Path, build: Path) -> None:
    """Train one seed of CNN 5 again and keep its weights, unless that is done.

    The seed is the one that counts in the record; the operating point is chosen on validation
    films as for every early network.
    """
    recipe = recipes.get(REFERENCE)
    if (root / FOLDER / REFERENCE / "record.json").is_file():
        return
    seed = Study(results=root).run(REFERENCE).chosen
    films, seen = dataset.load(films, recipe.side)
    table = films.table.assign(y=(films.table["label"] == "PNEUMONIA").astype(int))
    part, y = table["part"].to_numpy(), table["y"].to_numpy()
    own = [(seen[part == name], y[part == name]) for name in ("training", "validation")]
    fitted = fit.fit(recipe, seed, *own, build / REFERENCE)
    scores = table[part == "validation"].assign(
        probability=ensemble.predict(fitted.model, own[1][0])
    )
    facts = {
        "recipe_digest": recipe.digest(),
        "network_digest": classifiers.fingerprint(recipe.builder, recipe.side),
        "seed": seed,
        "threshold": thresholds.operating_threshold(scores),
        "training_seconds": fitted.seconds,
        **record.circumstances(),
    }
    record.write_facts(root / FOLDER, REFERENCE, facts, fitted.model)


def ensembles(root: Path = config.RESULTS) -> dict[str, Ensemble]:
    """The witness of CNN 5 and the final network, by recipe name.

    Raises:
        RecordError: the weights of either are not there.
    """
    recipe = recipes.get(REFERENCE)
    facts = record.read_facts(root / FOLDER, REFERENCE)
    network = record.load_network(root / FOLDER, REFERENCE)
    early = Ensemble(
        REFERENCE, recipe.title, recipe.side, facts["threshold"], ((network, recipe.view),)
    )
    return {REFERENCE: early, "final": Study(results=root).run("final").ensemble()}


def titles() -> dict[str, str]:
    """The two networks' titles by name, CNN 5 first."""
    return {name: recipes.get(name).title for name in (REFERENCE, "final")}


# -- films changed ---------------------------------------------------------------------------

# Films, their donors and their lungs to changed films.
Ablation = Callable[[np.ndarray, np.ndarray, Found], np.ndarray]


def _blackened(inside: bool) -> Ablation:
    return lambda films, donors, found: np.array(
        [views.blackened(film, found, row, inside) for row, film in enumerate(films)]
    )


def _donated(what: str) -> Ablation:
    return lambda films, donors, found: perturbations.counterfactuals(what, films, donors)


BLACKENED = {
    "lungs blacked out": _blackened(inside=True),
    "all but the lungs blacked out": _blackened(inside=False),
}
ABLATIONS: dict[str, Ablation] = {
    "border replaced": _donated("border"),
    "marker pasted": _donated("marker"),
    "marker painted over": lambda films, donors, found: np.array(
        [perturbations.unmarked(film) for film in films]
    ),
} | BLACKENED
# Column of the record: corruption and strength.
CORRUPTED = {
    f"{name} {strength}": (name, strength)
    for name in perturbations.CORRUPTIONS
    for strength in perturbations.STRENGTHS
} | {name: (name, 1) for name in perturbations.STORAGE_ERRORS}
CHANGES = (PLAIN, *CORRUPTED, *ABLATIONS)


def changed(change: str, films: np.ndarray, donors: np.ndarray, found: Found) -> np.ndarray:
    """Films (n, 224, 224) uint8 after one of CHANGES; ``found`` are their lungs as they are."""
    if change == PLAIN:
        return films
    if change in CORRUPTED:
        return perturbations.corrupt(*CORRUPTED[change], films)
    return ABLATIONS[change](films, donors, found)


def measure_changes(
    table: pd.DataFrame,
    pictures: np.ndarray,
    networks: dict[str, Ensemble],
    segmenter: keras.Model,
    build: Path,
    tell: Tell,
) -> dict[str, pd.DataFrame]:
    """Each network's probability (columns: the changes) for each test film (rows).

    What is done is kept under ``build``; an interrupted run goes on there.
    """
    own = np.flatnonzero(table["part"] == "test")
    given = perturbations.donors(table)
    plain, films = pictures[own], table["film"].iloc[own]
    told = {}
    for name in networks:
        kept = build / f"{name}.csv"
        told[name] = (
            pd.read_csv(kept, index_col="film") if kept.is_file() else pd.DataFrame(index=films)
        )
    as_is = lungs.find(segmenter, plain)
    for number, change in enumerate(CHANGES, start=1):
        if all(change in one for one in told.values()):
            continue
        tell(f"change {number} of {len(CHANGES)}: {change}")
        made = changed(change, plain, pictures[given[own]], as_is)
        # As in use, lungs are looked for anew; where they are blacked out there are none to find.
        found = as_is if change in (PLAIN, *BLACKENED) else lungs.find(segmenter, made)
        for name, network in networks.items():
            told[name][change] = network.answers(made, found).round(5)
            storage.write_text(build / f"{name}.csv", told[name].to_csv(lineterminator="\n"))
    return {name: one[list(CHANGES)] for name, one in told.items()}


# -- where they look -------------------------------------------------------------------------


def measure_maps(
    table: pd.DataFrame,
    pictures: np.ndarray,
    networks: dict[str, Ensemble],
    segmenter: keras.Model,
    tell: Tell,
) -> pd.DataFrame:
    """Share of each map inside the lungs: people's outlines, and those found on test films.

    Columns film, part, outline ("drawn" by people, on normal films only, or "found"), lung and
    box (shares of the film that the lungs and the box around them cover), network, method,
    called (pneumonia), inside, boxed (shares of the map in lungs and box). Found ones by
    Grad-CAM only.
    """
    rows, drawn = lungs.masks(table)
    outlines = lungs.resized(drawn.astype(np.uint8) * 255, lungs.SIDE) > 127
    told = [_maps(table, pictures, rows, "drawn", outlines, networks, segmenter, tell)]
    own = np.flatnonzero(table["part"] == "test")
    told.append(_maps(table, pictures, own, "found", None, networks, segmenter, tell))
    return pd.concat(told, ignore_index=True).round(4)


def _maps(
    table: pd.DataFrame,
    pictures: np.ndarray,
    rows: np.ndarray,
    outline: str,
    masks: np.ndarray | None,
    networks: dict[str, Ensemble],
    segmenter: keras.Model,
    tell: Tell,
) -> pd.DataFrame:
    """``measure_maps`` for some of the films and one kind of outline."""
    films, found = pictures[rows], lungs.find(segmenter, pictures[rows])
    masks = found.masks if masks is None else masks
    around = np.array([_around(mask) for mask in masks])
    facts = table.iloc[rows][["film", "part"]].assign(
        outline=outline, lung=masks.mean(axis=(1, 2)), box=around.mean(axis=(1, 2))
    )
    told = []
    for name, network in networks.items():
        called = network.answers(films, found) >= network.threshold
        for method in explain.METHODS if outline == "drawn" else explain.METHODS[:1]:
            tell(f"{method} of {network.title} on {len(rows)} films, lungs {outline}")
            if method == "occlusion":
                maps = np.array(
                    [explain.occlusion(network, films[n], found, n) for n in range(len(films))]
                )
            else:
                maps = explain.maps(network, films, found)
            shares = {"inside": explain.inside(maps, masks), "boxed": explain.inside(maps, around)}
            told.append(facts.assign(network=name, method=method, called=called, **shares))
    return pd.concat(told, ignore_index=True)


def _around(mask: np.ndarray) -> np.ndarray:
    """The smallest upright box around a mask, as a mask."""
    told = np.zeros_like(mask)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if len(rows):
        told[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return told


def measure_sanity_check(
    table: pd.DataFrame,
    pictures: np.ndarray,
    networks: dict[str, Ensemble],
    segmenter: keras.Model,
) -> pd.DataFrame:
    """Rank correlation of Grad-CAM with that after weights were randomised: a row a film.

    Columns film, network, stage (``explain.STAGES``), correlation; validation films.
    """
    drawn = table[table["part"] == "validation"].sample(SANE, random_state=config.SEED)
    films = pictures[drawn.index]
    found, told = lungs.find(segmenter, films), []
    for name, network in networks.items():
        for stage, share in explain.STAGES.items():
            alike = explain.sanity_check(network, films, found, share, config.SEED)
            told.append(
                pd.DataFrame(
                    {"film": drawn["film"], "network": name, "stage": stage, "correlation": alike}
                )
            )
    return pd.concat(told, ignore_index=True).round(4)


# -- all of it -------------------------------------------------------------------------------


def measure(films: dataset.Films, root: Path, build: Path, tell: Tell) -> Path:
    """Measure and record everything that chapter 9 tells of the two networks; resumes.

    Raises:
        FilmError: the films at hand are not the full set.
        RecordError: the final network or the network that finds lungs is not recorded.
    """
    if not films.complete:
        raise dataset.FilmError(f"{films.source}: this needs the full set; run `make data`")
    tell("CNN 5, trained again for its weights")
    train_reference(films, root, build)
    networks, folder = ensembles(root), root / FOLDER
    segmenter = record.load_network(root, lungs.NAME)
    films, pictures = dataset.load(films, config.SOURCE_SIZE)
    table = films.table.join(acquisition.read(root)[["margin", "marker"]], on="film")
    opened = build / "opened"
    if not opened.is_file():
        again = replace(
            recipes.get(REFERENCE), seeds=(record.read_facts(folder, REFERENCE)["seed"],)
        )
        for recipe in (again, recipes.get("final")):
            record.note_opening(root, recipe, int((table["part"] == "test").sum()))
        storage.write_text(opened, "")
    if not (folder / SANITY_CHECK).is_file():
        alike = measure_sanity_check(table, pictures, networks, segmenter)
        storage.write_text(folder / SANITY_CHECK, alike.to_csv(index=False, lineterminator="\n"))
    if not (folder / MAPS).is_file():
        looks = measure_maps(table, pictures, networks, segmenter, tell)
        storage.write_text(folder / MAPS, looks.to_csv(index=False, lineterminator="\n"))
    for name, told in measure_changes(table, pictures, networks, segmenter, build, tell).items():
        storage.write_text(folder / f"{name}.csv", told.to_csv(lineterminator="\n"))
    return folder


# -- the committed network --

# Rounding differs between processors in the sixth digit; a thousandth means another network.
TOLERANCE = 1e-3


def check(results: Path = config.RESULTS, films: dataset.Films | None = None) -> str:
    """Score the test films with every kept member; say how far it is from the record.

    Nothing is learnt that the record does not say already, so the ledger gets no line.

    Raises:
        FilmError: not all test films are at hand.
        RuntimeError: a probability differs from the recorded one by more than TOLERANCE.
    """
    final = Study(results=results).run("final")
    recorded = final.seeds("test")
    films = dataset.at_hand() if films is None else films
    table = films.table[films.table["film"].isin(recorded.index)].reset_index(drop=True)
    if len(table) < len(recorded):
        raise dataset.FilmError(
            f"{films.source}: {len(table)} of the {len(recorded)} test films at hand; set "
            "STUDY_DATA to the full set, or run `make data`"
        )
    test = dataset.Films(films.source, table)
    test, pictures = Study(films=test, results=results).pictures(final.recipe)
    worst = 0.0
    for seed, member in zip(final.recipe.seeds, final.members(), strict=True):
        seen = pictures[final.recipe.view_of(seed)]
        probability = ensemble.predict(member, seen, final.recipe.mirrored)
        expected = recorded.loc[test.table["film"], seed].to_numpy()
        worst = max(worst, float(np.abs(probability - expected).max()))
    if worst > TOLERANCE:
        raise RuntimeError(
            f"the committed final network differs from its record by up to {worst:.2g}; "
            "run `make train`, or restore data/results with git"
        )
    told = f"{len(test.table)} test films, {len(final.recipe.seeds)} networks"
    return f"{told}: as recorded, within {worst:.1g}"
