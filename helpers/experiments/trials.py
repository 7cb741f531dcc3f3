"""Candidates for the final network, each judged on acquisition groups it has not learnt from.

A candidate differs from the base or the chosen one in a thing or two; two seeds; five groups.
Only ``score_test`` reads test films. ``experiments.shift`` reads what is recorded.
"""

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import metrics as sk

from helpers import config, storage
from helpers.data import dataset, manifest
from helpers.experiments import bench
from helpers.experiments.bench import Bench
from helpers.models import classifiers, ensemble, views
from helpers.shortcuts import acquisition, perturbations
from helpers.training import fit, recipes, record
from helpers.training.recipes import MILD_AND_LOOK, MIRRORED, Recipe

FOLDER = "trials"
ANSWERS, STABILITY, FACTS = "held_out_groups.csv", "stability.csv", "candidates.json"
TEST = "test_films.csv"  # written after the choice
KEPT = ("answers.csv", "changes.csv")  # of one training, beside its state
HELD_OUT, SOURCE = "held out", "source validation"
GROUPS = range(1, acquisition.GROUPS + 1)
MOVED = 0.05  # by so much a probability may move under a harmless change
# Of HARMLESS, those that decide; and how much a network needs the lungs.
DECIDING = [name for name in perturbations.HARMLESS if "2%" in name or "4%" in name]
DECIDING += ["mirrored"]

FRAMED = replace(MIRRORED, frame=0.05, crop=0.08)  # strips and cuts such as software makes
# Each film once whole and once cut to the lungs, in half of the epochs of a single view. Small and
# short, but long enough for the augmentation to pay.
BASE = replace(
    recipes.RESIDUAL,
    name="base",
    was="",
    title="Base: both views, mirrored, random frame",
    network="final",
    side=96,
    view="film+box",
    both=True,
    epochs=10,
    warmup_epochs=1,
    take="last",
    augmentation=FRAMED,
    seeds=(1, 2),
    average=False,
    keep_weights=False,
)
LOOK = {"augmentation": MILD_AND_LOOK}
FILLED = {"view": "filled film+filled box", "augmentation": MIRRORED}
FILM = {"view": "filled film", "augmentation": MIRRORED, "both": False, "epochs": 20}
CROPPED = FILM | {"augmentation": replace(MIRRORED, crop=0.08)}
LETTERS = FILLED | {"augmentation": replace(MIRRORED, letters=0.5)}
# The simpler first: among equals the first is chosen (``shift.chosen``); longer is no less simple.
# From "filled_unframed" each of the other filled ones differs in one thing, the cropped one in two.
_CHANGES = (
    ("plain", "Neither mirrored nor framed", LOOK),
    ("base", BASE.title, {}),
    ("filled_film", "Plain edges filled, whole X-ray alone", FILM),
    ("filled_box", "Plain edges filled, lung crop alone", FILM | {"view": "filled box"}),
    ("filled_film_cropped", "Plain edges filled, whole X-ray alone, cropped", CROPPED),
    ("filled_unmirrored", "Plain edges filled, not mirrored", FILLED | LOOK),
    ("filled_longer", "Plain edges filled, trained twice as long", FILLED | {"epochs": 20}),
    ("filled_unframed", "Plain edges filled, without frame", FILLED),
    ("filled", "Plain edges filled, random frame", {"view": FILLED["view"]}),
    ("filled_letters", "Plain edges filled, letters stamped", LETTERS),
    ("filled_128", "Plain edges filled, 128 pixels", FILLED | {"side": 128}),
)
CANDIDATES = {name: replace(BASE, name=name, title=title, **new) for name, title, new in _CHANGES}


def prepare(trial: Recipe, ready: Bench) -> tuple[dict, dict]:
    """By view, all films; by change and view, the validation films, as a candidate sees them."""
    rows = ready.rows("validation")
    seen = {v: views.apply(v, ready.pictures, ready.found, trial.side) for v in trial.views}
    changed = {}
    for change in (bench.PLAIN, *DECIDING, *bench.BLACKENED):
        films, found = ready.changed(change, rows)
        changed[change] = {v: views.apply(v, films, found, trial.side) for v in trial.views}
    return seen, changed


def judge(
    trial: Recipe, group: int, seed: int, ready: Bench, pictures: tuple, folder: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train without a group; answers on it and on the others' validation films, and to changes.

    The second table has a row a validation film, whatever its group, and a column a change.
    """
    table, (seen, changed) = ready.table, pictures
    others, held = acquisition.without(table, group)
    steer = table["part"].eq("validation").to_numpy()
    learnt = others & ~steer
    y = table["y"].to_numpy()
    data = (fit.in_every_view(seen, y, rows) for rows in (learnt, others & steer))
    network = fit.fit(trial, seed, *data, folder).model
    rows = np.flatnonzero(held | (others & steer))
    said = ensemble.mean_over_views(network, {view: films[rows] for view, films in seen.items()})
    answers = table.iloc[rows][["film"]].assign(
        candidate=trial.name,
        group=group,
        seed=seed,
        probability=said,
    )
    moved = {change: ensemble.mean_over_views(network, films) for change, films in changed.items()}
    return answers, pd.DataFrame(moved, index=table.loc[steer, "film"])


def stability(said: pd.DataFrame, y: np.ndarray) -> pd.DataFrame:
    """What each change does: share of films that move, of calls at 0.5 that flip, AUROC.

    ``said`` has a row a film and a column a change, one of them ``bench.PLAIN``; ``y`` (n,).
    """
    plain = said[bench.PLAIN]
    rows = {
        change: {
            "moved": ((answers - plain).abs() > MOVED).mean(),
            "flipped": ((answers >= 0.5) != (plain >= 0.5)).mean(),
            "AUROC": sk.roc_auc_score(y, answers),
        }
        for change, answers in said.items()
    }
    return pd.DataFrame(rows).T.rename_axis("change").reset_index()


def run(trial: Recipe, ready: Bench, pictures: tuple, build: Path, tell: Callable) -> None:
    """Train a candidate for each seed and group; what it says is kept in ``folders``."""
    for (seed, group), folder in folders(trial, build).items():
        if not (folder / KEPT[1]).is_file():
            tell(f"{trial.title}, seed {seed}, without group {group}")
            made = judge(trial, group, seed, ready, pictures, folder)
            for name, table in zip(KEPT, made, strict=True):
                storage.write_text(folder / name, table.round(4).to_csv())


def folders(trial: Recipe, build: Path) -> dict[tuple[int, int], Path]:
    """Where the trainings of a candidate keep state and answers, by seed and group."""
    home = build / f"{trial.name}-{trial.digest()}"
    each = itertools.product(trial.seeds, GROUPS)
    return {(seed, group): home / f"seed_{seed}-group_{group}" for seed, group in each}


def write(trial: Recipe, table: pd.DataFrame, root: Path, build: Path) -> None:
    """Record a candidate.

    For its stability count the mean answers of a seed's five networks, as five members would give.
    """
    kept, steady, y = folders(trial, build), [], table.set_index("film")["y"]
    answers = [pd.read_csv(of / KEPT[0], index_col=0) for of in kept.values()]
    said = {at: pd.read_csv(of / KEPT[1], index_col="film") for at, of in kept.items()}
    past = {at: json.loads((of / "history.json").read_text()) for at, of in kept.items()}
    seconds = {f"seed {s}, group {g}": rows[-1]["seconds"] for (s, g), rows in past.items()}
    for seed in trial.seeds:
        mean = sum(said[seed, group] for group in GROUPS) / len(GROUPS)
        steady.append(stability(mean, y[mean.index]).assign(candidate=trial.name, seed=seed))
    facts = {
        "digest": trial.digest(),
        "settings": trial.settings(),
        "films_digest": manifest.digest(table),
        "network_digest": classifiers.fingerprint(trial.builder, trial.side),
        "training_seconds": seconds,
        **record.circumstances(),
    }
    _add(root / FOLDER / ANSWERS, trial.name, pd.concat(answers))
    _add(root / FOLDER / STABILITY, trial.name, pd.concat(steady).round(4))
    known = recorded(root) | {trial.name: facts}
    storage.write_text(root / FOLDER / FACTS, json.dumps(known, indent=1) + "\n")


def score_test(films: dataset.Films, root: Path, build: Path, tell: Callable) -> None:
    """Score the test films with every recorded candidate whose networks are under ``build``.

    Not before the choice. Recorded: candidate, seed, film, and the mean of a seed's five networks.
    """
    ready = bench.prepare(films, root, ("test",))
    for name, trial in CANDIDATES.items():
        kept = folders(trial, build)
        trained = all((folder / KEPT[1]).is_file() for folder in kept.values())
        if name not in recorded(root) or not trained:
            continue
        tell(f"{trial.title}: test films")
        record.note_opening(root, trial, len(ready.table))
        seen = {v: views.apply(v, ready.pictures, ready.found, trial.side) for v in trial.views}
        networks = {at: fit.finished(trial, at[0], folder) for at, folder in kept.items()}
        said = {at: ensemble.mean_over_views(of, seen) for at, of in networks.items()}
        table = pd.DataFrame(said, ready.table["film"]).T.groupby(level=0).mean().T
        rows = table.melt(var_name="seed", value_name="probability", ignore_index=False)
        _add(root / FOLDER / TEST, name, rows.reset_index().assign(candidate=name).round(4))


def _add(path: Path, name: str, rows: pd.DataFrame) -> None:
    """Put a candidate's rows into a table of the record, in place of what it said of it."""
    rows = rows[["candidate", *rows.columns.drop("candidate")]]
    if path.is_file():
        old = pd.read_csv(path)
        rows = pd.concat([old[old["candidate"] != name], rows])
    storage.write_text(path, rows.to_csv(index=False, lineterminator="\n"))


def recorded(root: Path = config.RESULTS) -> dict[str, dict]:
    """What is recorded of each candidate: settings, digests, seconds, date; by its name."""
    path = root / FOLDER / FACTS
    return json.loads(path.read_text()) if path.is_file() else {}


def run_all(
    films: dataset.Films, root: Path, build: Path, names: Sequence[str], tell: Callable
) -> None:
    """Run the candidates ``names`` (all if none) unless recorded; ``tell`` gets a line before each.

    ValueError where there is no such candidate; FilmError where the films are not the full set.
    """
    if unknown := set(names) - set(CANDIDATES):
        raise ValueError(f"no candidate {', '.join(unknown)}; there are {', '.join(CANDIDATES)}")
    if not (root / acquisition.FOLDER / acquisition.TABLE).is_file():
        acquisition.write(root, acquisition.measure(films))
    ready, prepared = bench.prepare(films, root, ("training", "validation")), {}
    for name in names or CANDIDATES:
        trial = CANDIDATES[name]
        if recorded(root).get(name, {}).get("digest") == trial.digest():
            continue
        key = (trial.view, trial.side)
        if key not in prepared:
            prepared = {key: prepare(trial, ready)}  # one at a time: a few hundred megabytes
        run(trial, ready, prepared[key], build, tell)
        write(trial, ready.table, root, build)
