"""The study: run a recipe by name, from the record or by training it now."""

from __future__ import annotations

import functools
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from helpers import config, storage
from helpers.data import dataset, manifest
from helpers.evaluation import metrics, thresholds
from helpers.models import classifiers, ensemble, lungs, views
from helpers.models.ensemble import Ensemble
from helpers.shortcuts import acquisition
from helpers.training import fit, progress, recipes, record
from helpers.training.recipes import Recipe

MODES = ("replay", "train")
SCHEDULES = ("full", "short")
SCORED = ("validation", "test")


@dataclass(frozen=True)
class Result:
    """A recipe's outcome: its record, and the films the probabilities belong to.

    ``members()`` gives the networks where the record keeps them.
    """

    recipe: Recipe
    record: record.Record
    films: pd.DataFrame
    load: Callable[[int], keras.Model] = field(repr=False)

    @property
    def history(self) -> pd.DataFrame:
        """One row a seed and epoch: seed, epoch, loss, accuracy, recall, val_…, seconds."""
        return self.record.history

    @functools.cached_property
    def threshold(self) -> float:
        """Operating point by the recipe's rule, from validation films alone."""
        scores = self.scores("validation")
        if self.recipe.rule != "stress":
            return thresholds.operating_threshold(scores)
        return thresholds.stress_threshold(acquisition.weighted(scores))

    def estimate(self, part: str) -> pd.DataFrame:
        """Metrics with 95% limits on ``part``, at the operating point."""
        return metrics.estimate(self.scores(part), self.threshold)

    @property
    def chosen(self) -> int:
        """The seed with the lowest validation loss; the first where nothing was trained."""
        if self.history.empty:
            return self.recipe.seeds[0]
        return int(self.history.loc[self.history["val_loss"].idxmin(), "seed"])

    def seeds(self, part: str) -> pd.DataFrame:
        """Probability per film (rows, in the manifest's order) and seed (columns)."""
        rows = self.record.predictions.query("split == @part")
        return rows.pivot(index="film", columns="seed", values="probability").sort_index()

    def scores(self, part: str) -> pd.DataFrame:
        """The network's answer on ``part`` (validation or test), one row a film.

        Columns: film, label, y (1 for pneumonia), subtype, series, patient, probability: the
        mean over seeds where the recipe averages, else the chosen seed's.
        """
        table = self.seeds(part)
        probability = table.mean(axis=1) if self.recipe.average else table[self.chosen]
        films = self.films.loc[table.index, ["label", "subtype", "series", "patient"]]
        return films.assign(
            y=(films["label"] == "PNEUMONIA").astype(int), probability=probability
        ).reset_index()

    def members(self) -> list[keras.Model]:
        """The trained networks, one a seed; RecordError where they are not kept."""
        return [self.load(seed) for seed in self.recipe.seeds]

    def ensemble(self) -> Ensemble:
        """The members with what each sees and the operating point, ready to answer.

        Raises:
            RecordError: the weights are not kept.
        """
        recipe = self.recipe
        members = zip(self.members(), map(recipe.view_of, recipe.seeds), strict=True)
        return Ensemble(recipe.name, recipe.title, recipe.side, self.threshold, tuple(members))


class Study:
    """All recipes on one source of films, replayed from the record or trained now.

    ``mode`` replay reads ``results``; train fits each network on the films at hand (resuming
    under ``build``) and writes its record: to ``results`` only with the full schedule on the
    full set, else under ``build``, so that the committed record stays what it says it is.

    Raises:
        ValueError: an unknown mode or schedule.
    """

    def __init__(
        self,
        mode: str = "replay",
        schedule: str = "full",
        films: dataset.Films | None = None,
        results: Path = config.RESULTS,
        build: Path = config.BUILD,
        tell: bool = True,
    ) -> None:
        for value, known in ((mode, MODES), (schedule, SCHEDULES)):
            if value not in known:
                raise ValueError(f"{value!r} is none of {', '.join(known)}")
        self.mode, self.schedule, self.results = mode, schedule, Path(results)
        self._films, self._build, self._tell = films, Path(build), tell
        self._done: dict[str, Result] = {}
        self._found: lungs.Found | None = None
        self._worked: list[Path] = []

    @functools.cached_property
    def films(self) -> dataset.Films:
        """The films at hand."""
        return self._films if self._films is not None else dataset.at_hand()

    @property
    def names(self) -> tuple[str, ...]:
        """The study's recipes in the order of the story."""
        return tuple(recipes.STUDY)

    def recipe(self, name: str) -> Recipe:
        """The recipe as this run trains it."""
        recipe = recipes.get(name)
        return recipe.shortened() if self.mode == "train" and self.schedule == "short" else recipe

    @property
    def official(self) -> bool:
        """Whether what is trained now becomes the committed record."""
        return self.schedule == "full" and self.films.complete

    def run(self, name: str) -> Result:
        """Return the result of one recipe: recorded (replay) or obtained now (train)."""
        if name not in self._done:
            result = self._train(name) if self.mode == "train" else self.recorded(name)
            self._done[name] = result
            if self.mode == "train" and set(self._done) == set(self.names):
                self.close()
        return self._done[name]

    def run_all(self) -> dict[str, Result]:
        """Results of all recipes, in the order of the story."""
        return {name: self.run(name) for name in self.names}

    def recorded(self, name: str) -> Result:
        """Result of one recipe as an earlier run with these settings wrote it.

        Raises:
            RecordError: there is none, or it belongs to other settings or films.
        """
        if self.mode == "replay":
            return self._read(name, self.results, manifest.read())
        films, _ = dataset.load(self.films, self.recipe(name).side)
        return self._read(name, self._root(films), films.table)

    def _read(self, name: str, root: Path, films: pd.DataFrame) -> Result:
        recipe = self.recipe(name)
        found = record.read(root, recipe, manifest.digest(films))
        load = functools.partial(record.load_member, root, recipe)
        return Result(recipe, found, films.set_index("film"), load)

    def _root(self, films: dataset.Films) -> Path:
        """Where a run on ``films`` writes: the committed record only for the whole study."""
        official = self.schedule == "full" and films.complete
        return self.results if official else self._build / f"results-{self.schedule}"

    # -- films as a network sees them ------------------------------------------------------

    def pictures(self, recipe: Recipe) -> tuple[dataset.Films, dict[str, np.ndarray]]:
        """The films at hand that can be read, as the recipe's networks see them.

        Returns the films and, for each of the recipe's views, (n, side, side) uint8 in their order.
        """
        if recipe.views == ("film",):
            films, seen = dataset.load(self.films, recipe.side)
            return films, {"film": seen}
        films, whole = dataset.load(self.films, config.SOURCE_SIZE)
        cut = not set(recipe.views) <= set(views.WHOLE)
        if self._found is None and cut:
            self._found = lungs.find(self._lung_network(films, whole), whole)
        return films, {
            view: views.apply(view, whole, self._found, recipe.side) for view in recipe.views
        }

    def _lung_network(self, films: dataset.Films, whole: np.ndarray) -> keras.Model:
        """The network that finds lungs: trained in this run, or as recorded.

        Recorded also where the films at hand hold too few with a drawn mask to learn from.
        """
        rows, _ = lungs.masks(films.table)
        masked = int((films.table["part"].iloc[rows] == "training").sum())
        if self.mode == "replay" or masked < lungs.LEAST_MASKS:
            return record.load_network(config.RESULTS, lungs.NAME)
        root, done = self._root(films), self._work / f"{lungs.NAME}-finished"
        with storage.alone(self._work / f"{lungs.NAME}.lock", "learning to find lungs"):
            if not done.is_file():
                self._learn_lungs(films, whole, root)
                storage.write_text(done, "")
        return record.load_network(root, lungs.NAME)

    def _learn_lungs(self, films: dataset.Films, whole: np.ndarray, root: Path) -> None:
        """Train the network that finds lungs and record it."""
        epochs = lungs.SHORT_EPOCHS if self.schedule == "short" else lungs.EPOCHS
        start = time.perf_counter()
        with progress.epochs("Finding the lungs", epochs, silent=not self._tell) as bar:
            model, judged = lungs.learn(films.table, whole, epochs, on_epoch=bar.update)
        facts = {
            "films_digest": manifest.digest(films.table),
            "schedule": self.schedule,
            "epochs": epochs,
            "parameters": model.count_params(),
            "training_seconds": round(time.perf_counter() - start, 1),
            **record.circumstances(),
            "masks": judged.round(4).to_dict(orient="list"),
        }
        record.write_facts(root, lungs.NAME, facts, model)

    # -- train ----------------------------------------------------------------------------

    def _train(self, name: str) -> Result:
        recipe = self.recipe(name)
        # What is official is decided by the films that could be read, not by their names.
        films, pictures = self.pictures(recipe)
        root, digest = self._root(films), manifest.digest(films.table)
        work = self._work / f"{recipe.name}-{recipe.digest()}-{digest[:8]}"
        self._worked.append(work)
        with storage.alone(work.with_name(f"{work.name}.lock"), f"training {recipe.title}"):
            self._train_alone(recipe, films, pictures, root, work)
        return self._read(name, root, films.table)

    def _train_alone(
        self,
        recipe: Recipe,
        films: dataset.Films,
        pictures: dict[str, np.ndarray],
        root: Path,
        work: Path,
    ) -> None:
        """Train one recipe and write its record, unless this run has done so already."""
        done = (work / "finished").is_file() and (root / recipe.name / "record.json").is_file()
        if not done:  # before this run was interrupted
            fitted = self._fit(recipe, films.table, pictures, work)
            if root == self.results:
                record.note_opening(root, recipe, int((films.table["part"] == "test").sum()))
            members = {seed: f.model for seed, f in fitted.items() if recipe.keep_weights}
            found = _assemble(recipe, films, pictures, fitted, self.schedule)
            record.write(root, recipe, found, members)
            storage.write_text(work / "finished", "")

    @property
    def _work(self) -> Path:
        """Where trainings of this run keep what they need to go on."""
        return self._build / "training" / self.schedule

    @property
    def logs(self) -> Path:
        """Where trainings that run side by side write what they say."""
        return self._work / "logs"

    def close(self) -> None:
        """Forget the state of this run's trainings; the next run trains afresh.

        What another run is training beside it stays.
        """
        for path in self._worked:
            shutil.rmtree(path, ignore_errors=True)
        (self._work / f"{lungs.NAME}-finished").unlink(missing_ok=True)

    def _fit(
        self, recipe: Recipe, films: pd.DataFrame, pictures: dict[str, np.ndarray], work: Path
    ) -> dict[int, fit.Fitted]:
        """Train every seed of a recipe; the dummy has nothing to train."""
        y, part = (films["label"] == "PNEUMONIA").to_numpy().astype(int), films["part"].to_numpy()
        for name in ("training", "validation"):
            classes = len(set(y[part == name]))
            if classes < 2:
                raise dataset.FilmError(
                    f"{self.films.source}: the {name} films hold {classes} of the two classes; "
                    "run `make data` for the full set"
                )
        if recipe.epochs == 0:
            return {}
        weights = fit.training_weights(recipe, films[part == "training"])
        fitted = {}
        for seed in recipe.seeds:
            with progress.bar(recipe, seed, self.names, silent=not self._tell) as bar:
                report = functools.partial(progress.report, bar)
                seen = pictures[recipe.view_of(seed)]
                train, validation = (
                    (seen[part == name], y[part == name]) for name in ("training", "validation")
                )
                fitted[seed] = fit.fit(
                    recipe, seed, train, validation, work / f"seed_{seed}", report, weights
                )
        return fitted


def _assemble(
    recipe: Recipe,
    films: dataset.Films,
    pictures: dict[str, np.ndarray],
    fitted: dict[int, fit.Fitted],
    schedule: str,
) -> record.Record:
    """Score the validation and test films with each member and gather the facts."""
    table, rows = films.table, []
    scored = table["part"].isin(SCORED).to_numpy()
    for seed in recipe.seeds:
        if fitted:
            seen = pictures[recipe.view_of(seed)][scored]
            probability = ensemble.predict(fitted[seed].model, seen, recipe.mirrored)
        else:
            probability = _dummy(recipe, table)[scored]
        rows.append(
            pd.DataFrame(
                {
                    "film": table.loc[scored, "film"],
                    "split": table.loc[scored, "part"],
                    "seed": seed,
                    "probability": probability,
                }
            )
        )
    histories = [f.history.assign(seed=seed) for seed, f in fitted.items()]
    network = classifiers.build(recipe.builder, recipe.side)
    facts = {
        "films_digest": manifest.digest(table),
        "films": table["part"].value_counts().reindex(manifest.PARTS, fill_value=0).to_dict(),
        "source": films.source,
        "schedule": schedule,
        "parameters": network.count_params() if fitted else 0,
        "network_digest": classifiers.fingerprint(recipe.builder, recipe.side),
        "training_seconds": {str(seed): f.seconds for seed, f in fitted.items()},
        **record.circumstances(),
    }
    history = pd.concat(histories, ignore_index=True) if histories else pd.DataFrame()
    predictions = pd.concat(rows).sort_values(["seed", "split", "film"], ignore_index=True)
    return record.Record(predictions, history, facts)


def _dummy(recipe: Recipe, table: pd.DataFrame) -> np.ndarray:
    """The dummy's probability of pneumonia for every film of ``table``, learnt from training."""
    y = (table["label"] == "PNEUMONIA").to_numpy().astype(int)
    training_films = (table["part"] == "training").to_numpy()
    nothing = np.zeros((len(y), 1))
    classifier = classifiers.build(recipe.builder, recipe.side)
    classifier.fit(nothing[training_films], y[training_films])
    return classifier.predict_proba(nothing)[:, list(classifier.classes_).index(1)]
