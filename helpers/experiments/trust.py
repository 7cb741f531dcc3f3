"""Measurements on the full films: what breaks a network, where it looks; the check of the record.

Two networks side by side: the final one, and CNN 5, whose weights are not kept: one of its
trainings is repeated with the same settings, and this *reference* is kept instead.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import config, explain, storage
from helpers.data import dataset
from helpers.evaluation import thresholds
from helpers.experiments.bench import CHANGES, Bench, prepare
from helpers.models import classifiers, ensemble, lungs
from helpers.models.ensemble import Ensemble
from helpers.training import fit, recipes, record
from helpers.training.study import Study

FOLDER, MAPS, SANITY_CHECK = "trust", "looks.csv", "likeness.csv"  # of the record
REFERENCE = "cnn_5"
SANE = 100  # films for the sanity check: its correlations differ by far more than their error
# Rounding differs between processors in the sixth digit; a thousandth means another network.
TOLERANCE = 1e-3
Tell = Callable[[str], object]


def titles() -> dict[str, str]:
    """The two networks' titles by name, CNN 5 first."""
    return {name: recipes.get(name).title for name in (REFERENCE, "final")}


def train_reference(films: dataset.Films, root: Path, build: Path) -> None:
    """Train the seed of CNN 5 that counts again and keep its weights, unless that is done."""
    if (root / FOLDER / REFERENCE / "record.json").is_file():
        return
    recipe, seed = recipes.get(REFERENCE), Study(results=root).run(REFERENCE).chosen
    films, seen = dataset.load(films, recipe.side)
    table = films.table.assign(y=(films.table["label"] == "PNEUMONIA").astype(int))
    learn, steer = (table["part"].eq(part).to_numpy() for part in ("training", "validation"))
    data = [(seen[part], table["y"].to_numpy()[part]) for part in (learn, steer)]
    fitted = fit.fit(recipe, seed, *data, build / REFERENCE)
    scores = table[steer].assign(probability=ensemble.predict(fitted.model, seen[steer]))
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
    """The reference of CNN 5 and the final network, by recipe name.

    Raises:
        RecordError: the weights of either are not there.
    """
    recipe, facts = recipes.get(REFERENCE), record.read_facts(root / FOLDER, REFERENCE)
    members = ((record.load_network(root / FOLDER, REFERENCE), recipe.view),)
    early = Ensemble(REFERENCE, recipe.title, recipe.side, facts["threshold"], members)
    return {REFERENCE: early, "final": Study(results=root).run("final").ensemble()}


# -- films changed ---------------------------------------------------------------------------


def measure_changes(
    bench: Bench, networks: Mapping[str, Ensemble], build: Path, tell: Tell
) -> dict[str, pd.DataFrame]:
    """Each network's probability (columns: CHANGES) for each test film (rows).

    What is done is kept under ``build``; an interrupted run goes on there.
    """
    rows = bench.rows("test")
    films = bench.table["film"].iloc[rows]
    kept = {name: build / f"{name}.csv" for name in networks}
    tables = {
        name: pd.read_csv(path, index_col="film") if path.is_file() else pd.DataFrame(index=films)
        for name, path in kept.items()
    }
    for number, change in enumerate(CHANGES, start=1):
        if all(change in table for table in tables.values()):
            continue
        tell(f"change {number} of {len(CHANGES)}: {change}")
        changed = bench.changed(change, rows)
        for name, network in networks.items():
            tables[name][change] = network.answers(*changed).round(5)
            storage.write_text(kept[name], tables[name].to_csv(lineterminator="\n"))
    return {name: table[list(CHANGES)] for name, table in tables.items()}


# -- where they look -------------------------------------------------------------------------


def measure_maps(bench: Bench, networks: Mapping[str, Ensemble], tell: Tell) -> pd.DataFrame:
    """Share of each map inside the lungs: people's outlines, and those found on test films.

    Columns film, part, outline ("drawn" by people, on normal films only, or "found"), lung and
    box (shares of the film that the lungs and the box around them cover), network, method,
    called (pneumonia), inside, boxed (shares of the map in lungs and box). Found ones by
    Grad-CAM only.
    """
    drawn, masks = lungs.masks(bench.table)
    outlines = lungs.resized(masks.astype(np.uint8) * 255, lungs.SIDE) > 127
    measured = []
    for outline, rows in (("drawn", drawn), ("found", bench.rows("test"))):
        films, found = bench.pictures[rows], bench.found.of(rows)
        masks = outlines if outline == "drawn" else found.masks
        areas = {"inside": masks, "boxed": _boxes(masks)}
        lung, box = (area.mean(axis=(1, 2)) for area in areas.values())
        facts = bench.table.iloc[rows][["film", "part"]].assign(outline=outline, lung=lung, box=box)
        methods = explain.METHODS if outline == "drawn" else explain.METHODS[:1]
        for (name, network), method in itertools.product(networks.items(), methods):
            tell(f"{method} of {network.title} on {len(rows)} films, lungs {outline}")
            called = network.answers(films, found) >= network.threshold
            maps = (
                explain.maps(network, films, found)
                if method == "Grad-CAM"
                else np.array(
                    [explain.occlusion(network, film, found, row) for row, film in enumerate(films)]
                )
            )
            shares = {share: explain.inside(maps, area) for share, area in areas.items()}
            measured.append(facts.assign(network=name, method=method, called=called, **shares))
    return pd.concat(measured, ignore_index=True).round(4)


def _boxes(masks: np.ndarray) -> np.ndarray:
    """The smallest upright box around each mask (n, side, side) bool, as a mask."""
    spans = [
        np.maximum.accumulate(hit, axis=1) & np.maximum.accumulate(hit[:, ::-1], axis=1)[:, ::-1]
        for hit in (masks.any(axis=2), masks.any(axis=1))
    ]
    return spans[0][:, :, np.newaxis] & spans[1][:, np.newaxis]


def measure_sanity_check(
    bench: Bench, networks: Mapping[str, Ensemble], tell: Tell
) -> pd.DataFrame:
    """Rank correlation of Grad-CAM with that after weights were randomised: a row a film.

    Columns film, network, stage (``explain.STAGES``), correlation; validation films.
    """
    drawn = bench.table[bench.table["part"] == "validation"].sample(SANE, random_state=config.SEED)
    films, found, measured = bench.pictures[drawn.index], bench.found.of(drawn.index), []
    for (name, network), (stage, share) in itertools.product(
        networks.items(), explain.STAGES.items()
    ):
        tell(f"sanity check of {network.title}: {stage}")
        alike = explain.sanity_check(network, films, found, share, config.SEED)
        measured.append(drawn[["film"]].assign(network=name, stage=stage, correlation=alike))
    return pd.concat(measured, ignore_index=True).round(4)


def measure(films: dataset.Films, root: Path, build: Path, tell: Tell) -> Path:
    """Measure and record all of the above for the two networks; resumes.

    Raises:
        FilmError: the films at hand are not the full set.
        RecordError: the final network or the network that finds lungs is not recorded.
    """
    bench, folder = prepare(films, root), root / FOLDER
    tell("CNN 5, trained again for its weights")
    train_reference(films, root, build)
    networks, opened = ensembles(root), build / "opened"
    if not opened.is_file():
        seed = record.read_facts(folder, REFERENCE)["seed"]
        for recipe in (replace(recipes.get(REFERENCE), seeds=(seed,)), recipes.get("final")):
            record.note_opening(root, recipe, len(bench.rows("test")))
        storage.write_text(opened, "")
    for name, of in ((SANITY_CHECK, measure_sanity_check), (MAPS, measure_maps)):
        if not (folder / name).is_file():
            table = of(bench, networks, tell)
            storage.write_text(folder / name, table.to_csv(index=False, lineterminator="\n"))
    for name, table in measure_changes(bench, networks, build, tell).items():
        storage.write_text(folder / f"{name}.csv", table.to_csv(lineterminator="\n"))
    return folder


# -- the committed network --------------------------------------------------------------------


def check(root: Path = config.RESULTS, films: dataset.Films | None = None) -> str:
    """Score the test films with every kept member; say how far it is from the record.

    Nothing is learnt that the record does not say already, so the ledger gets no line.

    Raises:
        FilmError: not all test films are at hand.
        RuntimeError: a probability differs from the recorded one by more than TOLERANCE.
    """
    final = Study(results=root).run("final")
    recipe, recorded = final.recipe, final.seeds("test")
    films = dataset.at_hand() if films is None else films
    table = films.table[films.table["film"].isin(recorded.index)].reset_index(drop=True)
    if len(table) < len(recorded):
        raise dataset.FilmError(
            f"{films.source}: {len(table)} of the {len(recorded)} test films at hand; set "
            "STUDY_DATA to the full set, or run `make data`"
        )
    test, seen = Study(films=dataset.Films(films.source, table), results=root).pictures(recipe)
    members = zip(recipe.seeds, final.members(), strict=True)
    said = {s: ensemble.predict(m, seen[recipe.view_of(s)], recipe.mirrored) for s, m in members}
    worst = (pd.DataFrame(said, index=test.table["film"]) - recorded).abs().max(axis=None)
    if worst > TOLERANCE:
        raise RuntimeError(
            f"the committed final network differs from its record by up to {worst:.2g}; "
            "run `make train`, or restore data/results with git"
        )
    return f"{len(table)} test films, {len(said)} networks: as recorded, within {worst:.1g}"
