"""Chapter 9's measurements on the full films, recorded: what breaks a network, where it looks.

Two networks side by side: the final one, and CNN 5, whose weights are not kept: one of its
trainings is repeated with the same settings, and this *witness* is kept instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
WITNESS = "cnn_5"
PLAIN = "as it is"
LOOKS, LIKENESS = "looks.csv", "likeness.csv"
SANE = 100  # films for the sanity check: its correlations differ by far more than their error

Tell = Callable[[str], object]


def witness(films: dataset.Films, root: Path, build: Path) -> None:
    """Train one seed of CNN 5 again and keep its weights, unless that is done.

    The seed is the one that counts in the record; the operating point is chosen on validation
    films as for every early network.
    """
    recipe = recipes.get(WITNESS)
    if (root / FOLDER / WITNESS / "record.json").is_file():
        return
    seed = Study(results=root).run(WITNESS).chosen
    films, seen = dataset.load(films, recipe.side)
    table = films.table.assign(y=(films.table["label"] == "PNEUMONIA").astype(int))
    part, y = table["part"].to_numpy(), table["y"].to_numpy()
    own = [(seen[part == name], y[part == name]) for name in ("training", "validation")]
    fitted = fit.fit(recipe, seed, *own, build / WITNESS)
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
    record.note(root / FOLDER, WITNESS, facts, fitted.model)


def committees(root: Path = config.RESULTS) -> dict[str, Ensemble]:
    """The witness of CNN 5 and the final network, by recipe name.

    Raises:
        RecordError: the weights of either are not there.
    """
    recipe = recipes.get(WITNESS)
    facts = record.noted(root / FOLDER, WITNESS)
    network = record.load_network(root / FOLDER, WITNESS)
    early = Ensemble(
        WITNESS, recipe.title, recipe.side, facts["threshold"], ((network, recipe.view),)
    )
    return {WITNESS: early, "final": Study(results=root).run("final").ensemble()}


def titles() -> dict[str, str]:
    """The two networks' titles by name, CNN 5 first."""
    return {name: recipes.get(name).title for name in (WITNESS, "final")}


# -- films changed ---------------------------------------------------------------------------

# What is taken away or put on, and whether the lungs are looked for anew, as they would be in
# use. Where they are blacked out there is nothing to be found: they stay where they were.
Donated = Callable[[np.ndarray, np.ndarray], np.ndarray]
USES: dict[str, Donated] = {
    "border replaced": lambda pictures, given: perturbations.counterfactuals(
        "border", pictures, given
    ),
    "marker pasted": lambda pictures, given: perturbations.counterfactuals(
        "marker", pictures, given
    ),
    "marker painted over": lambda pictures, given: np.array(
        [perturbations.unmarked(film) for film in pictures]
    ),
}
BLACKENED = {"lungs blacked out": True, "all but the lungs blacked out": False}


def corrupted() -> Iterator[tuple[str, str, int]]:
    """Every corruption and strength: column of the record, name, strength."""
    for name in perturbations.CORRUPTIONS:
        yield from ((f"{name} {strength}", name, strength) for strength in perturbations.STRENGTHS)
    for name in perturbations.ASIDE:
        yield name, name, 1


def changes(
    pictures: np.ndarray, given: np.ndarray, found: Found
) -> dict[str, tuple[Callable[[], np.ndarray], Found | None]]:
    """Ways to make each changed set of films, and its lungs where they are not looked for anew.

    ``given`` are the films' donors, ``found`` their lungs as they are.
    """
    made = {PLAIN: (lambda: pictures, found)}
    for column, name, strength in corrupted():
        made[column] = (
            lambda name=name, strength=strength: perturbations.corrupt(name, strength, pictures),
            None,
        )
    for name, change in USES.items():
        made[name] = (lambda change=change: change(pictures, given), None)
    for name, inside in BLACKENED.items():
        made[name] = (
            lambda inside=inside: np.array(
                [views.blackened(p, found, row, inside) for row, p in enumerate(pictures)]
            ),
            found,
        )
    return made


def measure_changes(
    table: pd.DataFrame,
    pictures: np.ndarray,
    seats: dict[str, Ensemble],
    segmenter: keras.Model,
    build: Path,
    tell: Tell,
) -> dict[str, pd.DataFrame]:
    """Each network's probability (columns: the changes) for each test film (rows).

    What is done is kept under ``build``; an interrupted run goes on there.
    """
    own = np.flatnonzero(table["part"] == "test")
    given = perturbations.donors(table, table["margin"].to_numpy(), table["marker"].to_numpy() > 0)
    plain, films = pictures[own], table["film"].iloc[own]
    told = {}
    for name in seats:
        kept = build / f"{name}.csv"
        told[name] = (
            pd.read_csv(kept, index_col="film") if kept.is_file() else pd.DataFrame(index=films)
        )
    ways = changes(plain, pictures[given[own]], lungs.find(segmenter, plain))
    for number, (change, (make, found)) in enumerate(ways.items(), start=1):
        if all(change in one for one in told.values()):
            continue
        tell(f"change {number} of {len(ways)}: {change}")
        made = make()
        found = lungs.find(segmenter, made) if found is None else found
        for name, committee in seats.items():
            told[name][change] = committee.answers(made, found).round(5)
            storage.write_text(build / f"{name}.csv", told[name].to_csv(lineterminator="\n"))
    return {name: one[list(ways)] for name, one in told.items()}


# -- where they look -------------------------------------------------------------------------


def measure_looks(
    table: pd.DataFrame,
    pictures: np.ndarray,
    seats: dict[str, Ensemble],
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
    told = [_looks(table, pictures, rows, "drawn", outlines, seats, segmenter, tell)]
    own = np.flatnonzero(table["part"] == "test")
    told.append(_looks(table, pictures, own, "found", None, seats, segmenter, tell))
    return pd.concat(told, ignore_index=True).round(4)


def _looks(
    table: pd.DataFrame,
    pictures: np.ndarray,
    rows: np.ndarray,
    outline: str,
    masks: np.ndarray | None,
    seats: dict[str, Ensemble],
    segmenter: keras.Model,
    tell: Tell,
) -> pd.DataFrame:
    """``measure_looks`` for some of the films and one kind of outline."""
    films, found = pictures[rows], lungs.find(segmenter, pictures[rows])
    masks = found.masks if masks is None else masks
    around = np.array([_around(mask) for mask in masks])
    facts = table.iloc[rows][["film", "part"]].assign(
        outline=outline, lung=masks.mean(axis=(1, 2)), box=around.mean(axis=(1, 2))
    )
    told = []
    for name, committee in seats.items():
        called = committee.answers(films, found) >= committee.threshold
        for method in explain.METHODS if outline == "drawn" else explain.METHODS[:1]:
            tell(f"{method} of {committee.title} on {len(rows)} films, lungs {outline}")
            if method == "occlusion":
                maps = np.array(
                    [explain.occlusion(committee, films[n], found, n) for n in range(len(films))]
                )
            else:
                maps = explain.looks(committee, films, found)
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


def measure_likeness(
    table: pd.DataFrame,
    pictures: np.ndarray,
    seats: dict[str, Ensemble],
    segmenter: keras.Model,
) -> pd.DataFrame:
    """Rank correlation of Grad-CAM with that after weights were randomised: a row a film.

    Columns film, network, stage (``explain.STAGES``), correlation; validation films.
    """
    drawn = table[table["part"] == "validation"].sample(SANE, random_state=config.SEED)
    films = pictures[drawn.index]
    found, told = lungs.find(segmenter, films), []
    for name, committee in seats.items():
        for stage, share in explain.STAGES.items():
            alike = explain.likeness(committee, films, found, share, config.SEED)
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
    witness(films, root, build)
    seats, folder = committees(root), root / FOLDER
    segmenter = record.load_network(root, lungs.NAME)
    films, pictures = dataset.load(films, config.SOURCE_SIZE)
    table = films.table.join(acquisition.read(root)[["margin", "marker"]], on="film")
    opened = build / "opened"
    if not opened.is_file():
        again = replace(recipes.get(WITNESS), seeds=(record.noted(folder, WITNESS)["seed"],))
        for recipe in (again, recipes.get("final")):
            record.note_opening(root, recipe, int((table["part"] == "test").sum()))
        storage.write_text(opened, "")
    if not (folder / LIKENESS).is_file():
        alike = measure_likeness(table, pictures, seats, segmenter)
        storage.write_text(folder / LIKENESS, alike.to_csv(index=False, lineterminator="\n"))
    if not (folder / LOOKS).is_file():
        looks = measure_looks(table, pictures, seats, segmenter, tell)
        storage.write_text(folder / LOOKS, looks.to_csv(index=False, lineterminator="\n"))
    for name, told in measure_changes(table, pictures, seats, segmenter, build, tell).items():
        storage.write_text(folder / f"{name}.csv", told.to_csv(lineterminator="\n"))
    return folder
