"""What was tried on the way to the final network: one change a trial, judged without test films."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from helpers import config
from helpers.data import dataset, manifest
from helpers.evaluation import thresholds
from helpers.experiments.bench import Bench, prepare
from helpers.models import classifiers, ensemble, views
from helpers.shortcuts import acquisition, perturbations
from helpers.training import fit, recipes, record
from helpers.training.recipes import MILD, MILD_AND_LOOK, Recipe

FOLDER = "trials"
# The residual network by its last epoch and with the final one's changes of tone; small and short,
# so that three seeds take three to four minutes on two cores.
BASE = replace(
    recipes.RESIDUAL,
    name="base",
    was="",
    title="Base: lungs cut out, 96 pixels",
    network="final",
    side=96,
    view="box",
    epochs=10,
    warmup_epochs=1,
    take="last",
    augmentation=MILD_AND_LOOK,
    average=False,
    keep_weights=False,
)
# Movements nearly as in the first study, less its upside-down films.
ROUGH = replace(MILD_AND_LOOK, rotation=30, shift=0.12, zoom=0.25, mirror=True)
# What stands on the film is no sign of anything: the cure for a letter that tells the class.
STAMPED = replace(MILD_AND_LOOK, letters=0.5)
MOBILENET = {"network": "mobilenet", "learning_rate": 3e-4, "epochs": 4}
# No cures: how much is to be had without lungs.
BLIND = {"side": 64, "augmentation": MILD, "epochs": 8}
_CHANGES = (
    ("base", BASE.title, {}),
    ("whole_film", "Whole film", {"view": "film"}),
    ("lungs_only", "All but the lungs blacked out", {"view": "lungs_only"}),
    ("equalised", "Grey levels equalised", {"view": "equalised"}),
    ("rough", "Moved roughly, mirrored", {"augmentation": ROUGH}),
    ("balanced", "Films weighed against their surround", {"margins": "balanced"}),
    ("side_128", "128 pixels", {"side": 128}),
    ("mirrored", "Answers to film and mirror image averaged", {"mirrored": True}),
    ("longer", "Twice the epochs", {"epochs": 20, "warmup_epochs": 2}),
    ("mobilenet", "MobileNetV2, pretrained on photographs", MOBILENET),
    ("unsmoothed", "Labels not smoothed", {"label_smoothing": 0.0}),
    ("averaged", "Weights averaged over steps", {"ema": 0.995}),  # over about two epochs
    ("unchanged", "No augmentation", {"augmentation": None}),
    ("moved", "Moved only, tone as it is", {"augmentation": MILD}),
    ("letters", "Whole film, letters stamped anywhere", {"view": "film", "augmentation": STAMPED}),
    ("side_64", "64 pixels", {"side": 64}),
    ("side_160", "160 pixels", {"side": 160}),
    ("ring", "The border ring alone", {"view": "ring", **BLIND}),
    ("without_lungs", "All but the lungs", {"view": "without_lungs", **BLIND}),
)
TRIALS = {name: replace(BASE, name=name, title=title, **new) for name, title, new in _CHANGES}
# Small enough to be trained five times over, to measure what is outside the lungs.
BACKGROUND = replace(TRIALS["without_lungs"], label_smoothing=0.0, class_weights="none")


def measure_background(films: dataset.Films, root: Path, build: Path) -> None:
    """Record ``acquisition.measure`` and the propensity from everything but the lungs.

    Of official training films only. Each value comes from a network that saw neither the film nor
    the child; Platt scaling makes a share of about e of the films of value e sick.
    """
    bench = prepare(films, root, ("training", "validation"))
    y, said = bench.table["y"].to_numpy(), np.empty(len(bench.table))
    seen = views.apply(BACKGROUND.view, bench.pictures, bench.found, BACKGROUND.side)
    folds = StratifiedGroupKFold(acquisition.FOLDS, shuffle=True, random_state=config.SEED)
    for fold, parts in enumerate(folds.split(y, y, groups=bench.table["patient"]), start=1):
        folder = build / f"background-{BACKGROUND.digest()}-{fold}"
        fitted = fit.fit(BACKGROUND, fold, *((seen[part], y[part]) for part in parts), folder)
        said[parts[1]] = ensemble.predict(fitted.model, seen[parts[1]])
    value = pd.Series(acquisition.platt(said, y, said).round(4), index=bench.table["film"])
    measured = acquisition.measure(films)
    acquisition.write(root, measured.assign(background=measured["film"].map(value)))


def run(trial: Recipe, bench: Bench, root: Path, build: Path) -> None:
    """Train a trial's seeds; record their answers on validation and held-out films, and flips."""
    table = bench.table.assign(split=bench.table["part"].mask(bench.table["held_out"], "stress"))
    table["weight"] = acquisition.overlap_weights(table["y"], table["background"])
    learn, steer = (table["split"].eq(part).to_numpy() for part in ("training", "validation"))
    seen = views.apply(trial.view, bench.pictures, bench.found, trial.side)
    changed = {
        change: views.apply(trial.view, *bench.changed(change, np.flatnonzero(steer)), trial.side)
        for change in perturbations.COUNTERFACTUALS
    }
    data = [(seen[part], table["y"].to_numpy()[part]) for part in (learn, steer)]
    weights = fit.training_weights(trial, table[learn])
    answers, histories, seconds, flips = [], [], {}, {}
    for seed in trial.seeds:
        folder = build / f"{trial.name}-{trial.digest()}" / f"seed_{seed}"
        fitted = fit.fit(trial, seed, *data, folder, weights=weights)
        answer = functools.partial(ensemble.predict, fitted.model, mirrored=trial.mirrored)
        scores = table[~learn].assign(seed=seed, probability=answer(seen[~learn]))
        cut = thresholds.operating_threshold(scores, thresholds.SENSITIVITY, scores["weight"])
        before = answer(seen[steer]) >= cut
        flips[str(seed)] = {
            change: float(np.mean((answer(films) >= cut) != before))
            for change, films in changed.items()
        }
        answers.append(scores)
        histories.append(fitted.history.assign(seed=seed))
        seconds[str(seed)] = fitted.seconds
    facts = {
        "films_digest": manifest.digest(table),
        "films": table["split"].value_counts().to_dict(),
        "network_digest": classifiers.fingerprint(trial.builder, trial.side),
        "training_seconds": seconds,
        "flips": flips,
        **record.circumstances(),
    }
    said = pd.concat(answers).sort_values(["seed", "split", "film"], ignore_index=True)
    found = record.Record(said, pd.concat(histories, ignore_index=True), facts)
    record.write(root / FOLDER, trial, found)


def run_all(
    films: dataset.Films, root: Path, build: Path, names: Sequence[str], tell: Callable
) -> None:
    """Run the trials ``names`` (all if none) unless recorded; ``tell`` gets a line before each.

    ValueError where there is no such trial; FilmError where the films are not the full set.
    """
    if unknown := set(names) - set(TRIALS):
        raise ValueError(f"no trial {', '.join(unknown)}; there are {', '.join(TRIALS)}")
    if not (root / acquisition.FOLDER / acquisition.TABLE).is_file():
        measure_background(films, root, build)
    bench = prepare(films, root, ("training", "validation"))
    for name in names or TRIALS:
        try:
            read(name, root)
        except record.RecordError:
            tell(f"trial {name}: {TRIALS[name].title}")
            run(TRIALS[name], bench, root, build)


def read(name: str, root: Path = config.RESULTS) -> record.Record:
    """One recorded trial; RecordError where it is absent or of other settings or films."""
    ours = manifest.read().query("part != 'test'")
    return record.read(root / FOLDER, TRIALS[name], manifest.digest(ours))


def scores(name: str) -> pd.DataFrame:
    """A trial's answers, a row a seed and film, as ``acquisition.stress_figures`` takes them."""
    facts = manifest.read().set_index("film")[["y", "patient"]]
    table = read(name).predictions.rename(columns={"split": "role"}).join(facts, on="film")
    return acquisition.weighted(table)


def by_seed() -> pd.DataFrame:
    """Each trial and seed (rows): ``acquisition.stress_figures``, flips, minutes."""
    rows = []
    for name, trial in TRIALS.items():
        facts = read(name).facts
        for seed, scored in scores(name).groupby("seed"):
            figures = acquisition.stress_figures(scored) | facts["flips"][str(seed)]
            minutes = facts["training_seconds"][str(seed)] / 60
            rows.append({"trial": trial.title, "seed": seed, **figures, "minutes": minutes})
    return pd.DataFrame(rows)


def summary(seeds: pd.DataFrame) -> pd.DataFrame:
    """Means of ``by_seed`` (rows trials), best stress AUROC first; its spread; ``decided``.

    ``decided``: finished before the final network saw test films. Later ones decided nothing.
    """
    grouped = seeds.drop(columns="seed").groupby("trial")
    table = grouped.mean().assign(spread=grouped["stress AUROC"].std())
    ledger = record.openings(config.RESULTS).set_index("recipe_digest")["date"]
    dates = {trial.title: read(name).facts["date"] for name, trial in TRIALS.items()}
    table["decided"] = table.index.map(dates) < ledger.loc[[recipes.get("final").digest()]].min()
    return table.sort_values("stress AUROC", ascending=False)
