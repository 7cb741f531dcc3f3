"""What was tried on the way to the final network: one change a trial, judged without test films."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from helpers import config
from helpers.data import dataset, manifest
from helpers.evaluation import thresholds
from helpers.models import classifiers, ensemble, lungs, views
from helpers.models.lungs import Found
from helpers.shortcuts import acquisition, perturbations
from helpers.training import fit, recipes, record
from helpers.training.recipes import MILD, MILD_AND_LOOK, Recipe

FOLDER = "trials"
SEEDS = (1, 2, 3)

# Movements nearly as in the first study, less its upside-down films.
ROUGH = replace(MILD_AND_LOOK, rotation=30, shift=0.12, zoom=0.25, mirror=True)

# What stands on the film is no sign of anything: the cure for a letter that tells the class.
STAMPED = replace(MILD_AND_LOOK, letters=0.5)

# Small and short, so that three seeds take three to four minutes on two cores.
BASE = Recipe(
    name="base",
    title="Base: lungs cut out, 96 pixels",
    network="final",
    side=96,
    view="box",
    optimizer="adamw",
    learning_rate=2e-3,
    epochs=10,
    cosine=True,
    warmup_epochs=1,
    weight_decay=1e-2,
    label_smoothing=0.05,
    class_weights="balanced",
    patience=None,
    take="last",
    augmentation=MILD_AND_LOOK,
    seeds=SEEDS,
)


def _trial(name: str, title: str, **changes: object) -> Recipe:
    return replace(BASE, name=name, title=title, **changes)


_ALL = (
    BASE,
    _trial("whole_film", "Whole film", view="film"),
    _trial("lungs_only", "All but the lungs blacked out", view="lungs_only"),
    _trial("equalised", "Grey levels equalised", view="equalised"),
    _trial("rough", "Moved roughly, mirrored", augmentation=ROUGH),
    _trial("balanced", "Films weighed against their surround", margins="balanced"),
    _trial("side_128", "128 pixels", side=128),
    _trial("mirrored", "Answers to film and mirror image averaged", mirrored=True),
    _trial("longer", "Twice the epochs", epochs=20, warmup_epochs=2),
    _trial(
        "mobilenet",
        "MobileNetV2, pretrained on photographs",
        network="mobilenet",
        learning_rate=3e-4,
        epochs=4,
    ),
    _trial("unsmoothed", "Labels not smoothed", label_smoothing=0.0),
    _trial("averaged", "Weights averaged over steps", ema=0.995),  # over about two epochs
    _trial("unchanged", "No augmentation", augmentation=None),
    _trial("moved", "Moved only, tone as it is", augmentation=MILD),
    _trial("letters", "Whole film, letters stamped anywhere", view="film", augmentation=STAMPED),
    _trial("side_64", "64 pixels", side=64),
    _trial("side_160", "160 pixels", side=160),
    # No cures: how much is to be had without lungs.
    _trial("ring", "The border ring alone", view="ring", side=64, augmentation=MILD, epochs=8),
    _trial(
        "without_lungs",
        "All but the lungs",
        view="without_lungs",
        side=64,
        augmentation=MILD,
        epochs=8,
    ),
)
TRIALS: dict[str, Recipe] = {trial.name: trial for trial in _ALL}


def run(
    trial: Recipe, bench: Bench, seen: dict[str, np.ndarray], root: Path, build: Path
) -> record.Record:
    """Train one trial's seeds and record how they score validation and held-out films.

    ``seen`` is ``bench.seen`` for the trial's view and side.
    """
    table, role = bench.table, bench.table["role"].to_numpy()
    pictures, y = seen[""], table["y"].to_numpy()
    learn, steer = (np.flatnonzero(role == part) for part in ("training", "validation"))
    judged = np.flatnonzero(role != "training")
    rows, flips, seconds, histories = [], {}, {}, []
    for seed in trial.seeds:
        fitted = fit.fit(
            trial,
            seed,
            (pictures[learn], y[learn]),
            (pictures[steer], y[steer]),
            build / f"{trial.name}-{trial.digest()}" / f"seed_{seed}",
            weights=fit.training_weights(trial, table.iloc[learn]),
        )
        answer = functools.partial(ensemble.predict, fitted.model, mirrored=trial.mirrored)
        scores = table.iloc[judged].assign(probability=answer(pictures[judged]))
        cut = thresholds.operating_threshold(scores, thresholds.SENSITIVITY, scores["weight"])
        before = scores.loc[scores["role"] == "validation", "probability"] >= cut
        flips[seed] = {
            change: float(np.mean((answer(changed) >= cut) != before))
            for change, changed in seen.items()
            if change
        }
        rows.append(scores.assign(seed=seed, split=scores["role"])[record.COLUMNS])
        histories.append(fitted.history.assign(seed=seed))
        seconds[seed] = fitted.seconds
    found = record.Record(
        pd.concat(rows).sort_values(["seed", "split", "film"], ignore_index=True),
        pd.concat(histories, ignore_index=True),
        {
            "films_digest": manifest.digest(table),
            "films": table["role"].value_counts().to_dict(),
            "parameters": fitted.model.count_params(),
            "network_digest": classifiers.fingerprint(trial.builder, trial.side),
            "training_seconds": {str(seed): s for seed, s in seconds.items()},
            "flips": {str(seed): share for seed, share in flips.items()},
            **record.circumstances(),
        },
    )
    record.write(root / FOLDER, trial, found)
    return found


def run_all(
    bench: Bench,
    root: Path,
    build: Path,
    names: Sequence[str] = (),
    tell: Callable[[str], object] = lambda text: None,
) -> None:
    """Run the trials ``names`` (all if none), passing over those that are recorded.

    ``tell`` is called with a line before each trial.
    """
    last, seen = None, {}
    for trial in (TRIALS[name] for name in names or TRIALS):
        if recorded(root, trial, bench):
            continue
        tell(f"trial {trial.name}: {trial.title}")
        if (trial.view, trial.side) != last:
            last, seen = (trial.view, trial.side), bench.seen(trial.view, trial.side)
        run(trial, bench, seen, root, build)


def prepare(films: dataset.Films, root: Path, build: Path) -> Bench:
    """Record what each film's background tells, unless it is, and make the bench ready.

    Raises:
        FilmError: the films at hand are not the full set, of which the trials are told.
        RecordError: the network that finds lungs is not recorded.
    """
    if not films.complete:
        raise dataset.FilmError(f"{films.source}: the trials need the full set; run `make data`")
    segmenter = record.load_network(root, lungs.NAME)
    if not (root / acquisition.FOLDER / acquisition.TABLE).is_file():
        told = acquisition.measure(films)
        films, pictures = dataset.load(films, config.SOURCE_SIZE)
        found = lungs.find(segmenter, pictures)
        blacked = views.apply(BACKGROUND.view, pictures, found, BACKGROUND.side)
        value = background(films.table, blacked, build)
        acquisition.write(root, told.assign(background=value.round(4)))
    return bench(films, acquisition.read(root), segmenter)


def recorded(root: Path, trial: Recipe, bench: Bench) -> bool:
    """Whether this trial stands recorded, on these films."""
    try:
        record.read(root / FOLDER, trial, manifest.digest(bench.table))
    except record.RecordError:
        return False
    return True


# What is outside the lungs, as a network small enough to be trained five times over sees it.
BACKGROUND = Recipe(
    name="background",
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


def background(table: pd.DataFrame, pictures: np.ndarray, build: Path) -> np.ndarray:
    """Probability of pneumonia from everything but the lungs, for official training films.

    ``pictures`` (n, side, side) uint8 with the lungs blacked out, in the order of ``table``
    (label, patient, part). Each film's value comes from a network that saw neither the film nor
    the child; Platt scaling makes a share of about e of the films of value e sick. Test films
    get NaN: nothing is asked of them.
    """
    y = (table["label"] == "PNEUMONIA").to_numpy().astype(int)
    rows = np.flatnonzero(table["part"] != "test")
    told = np.full(len(y), np.nan)
    folds = StratifiedGroupKFold(acquisition.FOLDS, shuffle=True, random_state=config.SEED)
    for fold, (learn, ask) in enumerate(
        folds.split(rows, y[rows], groups=table["patient"].to_numpy()[rows])
    ):
        learn, ask = rows[learn], rows[ask]
        fitted = fit.fit(
            BACKGROUND,
            fold + 1,
            (pictures[learn], y[learn]),
            (pictures[ask], y[ask]),
            build / f"background-{BACKGROUND.digest()}-{fold}",
        )
        told[ask] = fit.predict(fitted.model, pictures[ask])
    told[rows] = acquisition.platt(told[rows], y[rows], told[rows])
    return told


@dataclass(frozen=True)
class Bench:
    """Official training films ready for trials: pixels, lungs, weights, counterfactual pairs.

    ``table`` has film, part, label, patient, y, margin, weight (overlap weights), role:
    "training", "validation", or "stress" for the training films held out. ``changed`` gives
    for each change the validation films as another apparatus would show them, and their lungs.
    """

    table: pd.DataFrame
    pictures: np.ndarray
    found: Found
    changed: dict[str, tuple[np.ndarray, Found]]

    def seen(self, view: str, side: int) -> dict[str, np.ndarray]:
        """All films (key "") and the changed ones (key: the change) as one view shows them."""
        told = {"": views.apply(view, self.pictures, self.found, side)}
        for change, (pictures, found) in self.changed.items():
            told[change] = views.apply(view, pictures, found, side)
        return told


def roles(table: pd.DataFrame) -> pd.Series:
    """Part that each film plays in a trial: training, validation, or stress."""
    return table["part"].mask(table["held_out"], "stress")


def bench(films: dataset.Films, margin: pd.DataFrame, network: keras.Model) -> Bench:
    """Prepare the trials: read the films, find the lungs, make the counterfactual pairs."""
    official = films.table[films.table["part"] != "test"].reset_index(drop=True)
    films, pictures = dataset.load(replace(films, table=official), config.SOURCE_SIZE)
    table = films.table.join(
        margin[["margin", "background", "held_out", "group", "marker"]], on="film"
    )
    table["y"] = (table["label"] == "PNEUMONIA").astype(int)
    table["weight"] = acquisition.overlap_weights(table["y"], table["background"])
    table["role"] = roles(table)
    given = perturbations.donors(table)
    rows = np.flatnonzero(table["role"] == "validation")
    changed = {}
    for change in perturbations.COUNTERFACTUALS:
        made = perturbations.counterfactuals(change, pictures[rows], pictures[given[rows]])
        changed[change] = (made, lungs.find(network, made))
    return Bench(table, pictures, lungs.find(network, pictures), changed)


# -- read back from the record --


def read(name: str, root: Path = config.RESULTS) -> record.Record:
    """One recorded trial.

    Raises:
        RecordError: not recorded, damaged, or of other settings or films.
    """
    ours = manifest.read().query("part != 'test'")
    return record.read(root / FOLDER, TRIALS[name], manifest.digest(ours))


def scores(name: str, root: Path = config.RESULTS) -> dict[int, pd.DataFrame]:
    """Scores of one trial by seed: film, y, probability, role, weight, as ``stress`` takes them."""
    facts = manifest.read().set_index("film")[["label", "patient"]]
    scored = {}
    for seed, rows in read(name, root).predictions.groupby("seed"):
        table = rows.rename(columns={"split": "role"}).join(facts, on="film")
        table["y"] = (table["label"] == "PNEUMONIA").astype(int)
        scored[int(seed)] = acquisition.weighted(table, root)
    return scored


def by_seed(root: Path = config.RESULTS) -> pd.DataFrame:
    """Every recorded trial and seed: what ``stress.figures`` says, the flips, the minutes."""
    rows = []
    for name, recipe in TRIALS.items():
        facts = read(name, root).facts
        for seed, scored in scores(name, root).items():
            rows.append(
                {
                    "trial": recipe.title,
                    "seed": seed,
                    **acquisition.stress_figures(scored),
                    **facts["flips"][str(seed)],
                    "minutes": facts["training_seconds"][str(seed)] / 60,
                }
            )
    return pd.DataFrame(rows)


def decided(root: Path = config.RESULTS) -> dict[str, bool]:
    """For each trial's title whether it was finished before the final network saw test films.

    Trials that were finished later fill the table and decided nothing.
    """
    ledger = record.openings(root)
    digest = recipes.get("final").digest()
    opened = pd.Timestamp(ledger.loc[ledger["recipe_digest"] == digest, "date"].min())
    return {
        recipe.title: bool(pd.Timestamp(read(name, root).facts["date"]) < opened)
        for name, recipe in TRIALS.items()
    }


def summary(seeds: pd.DataFrame, root: Path = config.RESULTS) -> pd.DataFrame:
    """A row a trial: means over its seeds, best stress AUROC first, with the seeds' spread.

    ``decided`` says whether the trial could have a say in the choice (see ``decided``).
    """
    grouped = seeds.drop(columns="seed").groupby("trial")
    table = grouped.mean().assign(spread=grouped["stress AUROC"].std())
    table["decided"] = table.index.map(decided(root))
    return table.sort_values("stress AUROC", ascending=False)


def averaging(root: Path = config.RESULTS) -> pd.DataFrame:
    """What averaging a trial's seeds brings: rows trials, columns of ``stress.figures``, gains.

    A gain is the figure of the mean probability less the mean figure of the single trainings.
    """
    rows = {}
    for name, recipe in TRIALS.items():
        by_seed = scores(name, root)
        single = pd.DataFrame(map(acquisition.stress_figures, by_seed.values())).mean()
        mean = np.mean([one["probability"].to_numpy() for one in by_seed.values()], axis=0)
        together = next(iter(by_seed.values())).assign(probability=mean)
        rows[recipe.title] = pd.Series(acquisition.stress_figures(together)) - single
    return pd.DataFrame(rows).T
