"""The study: run a recipe by name, from the record or by training it now."""

import functools
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers import config, storage, tasks
from helpers.data import dataset, manifest
from helpers.evaluation import metrics, thresholds
from helpers.models import classifiers, ensemble, lungs, views
from helpers.models.ensemble import Ensemble
from helpers.training import fit, recipes, record
from helpers.training.recipes import Recipe

DONE = "finished"


@dataclass(frozen=True)
class Result:
    """A recipe's outcome: its record, and the films the probabilities belong to."""

    recipe: Recipe
    record: record.Record
    films: pd.DataFrame
    load: Callable[[int], keras.Model] = field(repr=False)
    threshold: float = thresholds.CONVENTION  # the operating point at which everybody reports

    @property
    def history(self) -> pd.DataFrame:
        """One row a seed and epoch: seed, epoch, loss, accuracy, recall, val_…, seconds."""
        return self.record.history

    @functools.cached_property
    def recall_first(self) -> float:
        """The operating point that puts recall first, by the recipe's rule on unseen films."""
        return thresholds.RULES[self.recipe.recall_first](self.unseen)

    @property
    def unseen(self) -> pd.DataFrame:
        """Scores on what the members have not learnt from: validation films, or out of fold."""
        return self.scores(self.recipe.unseen)

    def estimate(self, part: str, threshold: float | None = None) -> pd.DataFrame:
        """Metrics with 95% limits on ``part``, at 0.5 or another threshold."""
        return metrics.estimate(self.scores(part), threshold or self.threshold)

    @property
    def chosen(self) -> int:
        """The seed with the lowest validation loss; the first where nothing was trained."""
        if self.history.empty:
            return self.recipe.seeds[0]
        return int(self.history.loc[self.history["val_loss"].idxmin(), "seed"])

    @property
    def losses(self) -> pd.Series:
        """Validation loss of the chosen seed by epoch."""
        return self.history[self.history["seed"] == self.chosen].set_index("epoch")["val_loss"]

    @property
    def best_epoch(self) -> int:
        """The epoch in which the chosen seed's validation loss is lowest."""
        return int(self.losses.idxmin())

    def seeds(self, part: str) -> pd.DataFrame:
        """Probability per film (rows, in the manifest's order) and seed (columns)."""
        split = self.recipe.unseen if part == "validation" else part
        rows = self.record.predictions.query("split == @split")
        table = rows.pivot(index="film", columns="seed", values="probability").sort_index()
        return table if split == part else table[self.films.loc[table.index, "part"] == part]

    def scores(self, part: str) -> pd.DataFrame:
        """The network's answer on ``part`` (validation, out-of-fold or test), one row a film.

        Columns: film, label, y (1 for pneumonia), subtype, series, patient, probability: the
        mean over seeds where the recipe averages, else the chosen seed's. Of folds only the
        member answers that has not learnt from the film, but on test films all do.
        """
        table = self.seeds(part)
        probability = table[list(self.answering)].mean(axis=1)
        films = self.films.loc[table.index, ["label", "y", "subtype", "series", "patient"]]
        return films.assign(probability=probability).reset_index()

    @property
    def answering(self) -> tuple[int, ...]:
        """The seeds whose networks answer: all where the recipe averages, else the chosen one."""
        return self.recipe.seeds if self.recipe.average else (self.chosen,)

    def ensemble(self, seeds: Sequence[int] | None = None) -> Ensemble:
        """The networks that answer (or of some seeds); RecordError: weights are not kept."""
        recipe, members = self.recipe, {seed: self.load(seed) for seed in seeds or self.answering}
        pairs = [(members[seed], view) for seed in members for view in recipe.views_of(seed)]
        return Ensemble(recipe.name, recipe.title, recipe.side, self.threshold, tuple(pairs))


class Study:
    """All recipes on one source of films, replayed from the record or trained now.

    ``mode`` replay reads ``results``; train fits each network on the films at hand (resuming
    under ``build``) and writes its record: to ``results`` only with the full schedule on the
    full set, else under ``build``, so that the committed record stays what it says it is.
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
        for value, known in ((mode, ("replay", "train")), (schedule, ("full", "short"))):
            if value not in known:
                raise ValueError(f"{value!r} is none of {', '.join(known)}")
        self.mode, self.schedule, self.results = mode, schedule, Path(results)
        self._build, self._tell = Path(build), tell
        self._work = self._build / "training" / schedule  # what trainings need to go on
        self._done: dict[str, Result] = {}
        self._found: lungs.Found | None = None
        self._worked: list[Path] = []
        self.names = tuple(recipes.STUDY)  # in the order of the story
        if films is not None:
            self.films = films

    def __reduce__(self) -> tuple[Any, ...]:
        """Sent to a worker, a study writes to the same folders and draws no bars."""
        return Study, (self.mode, self.schedule, self.films, self.results, self._build, False)

    @functools.cached_property
    def films(self) -> dataset.Films:
        """The films at hand; once they were read, those that can be read."""
        return dataset.at_hand()

    def recipe(self, name: str) -> Recipe:
        """The recipe as this run trains it, or as it was trained."""
        if name in recipes.PAST:
            return recipes.past(name, record.read_facts(self.results, name)["recipe"])
        recipe = recipes.get(name)
        return recipe.shortened() if self.mode == "train" and self.schedule == "short" else recipe

    @property
    def official(self) -> bool:
        """Whether what is trained now becomes the committed record."""
        return self.schedule == "full" and self.films.complete

    @property
    def root(self) -> Path:
        """Where this run's training writes: the committed record only for the whole study."""
        return self.results if self.official else self._build / f"results-{self.schedule}"

    def run(self, name: str) -> Result:
        """Return the result of one recipe: recorded (replay) or obtained now (train)."""
        if name not in self._done:
            (result,) = self.train([name]) if self.mode == "train" else [self.recorded(name)]
            self._done[name] = result
            if self.mode == "train" and set(self._done) == set(self.names):
                self.close()
        return self._done[name]

    def run_all(self) -> dict[str, Result]:
        """Results of all recipes, in the order of the story."""
        return {name: self.run(name) for name in self.names}

    def recorded(self, name: str) -> Result:
        """What an earlier run wrote; RecordError: nothing, or with other settings or films."""
        recipe, films, root = self.recipe(name), manifest.read(), self.results
        if self.mode == "train":
            self.pictures(replace(recipe, view="film"))
            films, root = self.films.table, self.root
        found = record.read(root, recipe, manifest.digest(films))
        load = functools.partial(record.load_member, root, recipe)
        return Result(recipe, found, films.set_index("film"), load)

    def pictures(self, recipe: Recipe) -> tuple[dataset.Films, dict[str, np.ndarray]]:
        """The films at hand that can be read; by the recipe's views, (n, side, side) uint8."""
        if recipe.views == ("film",):
            self.films, seen = dataset.load(self.films, recipe.side)
            return self.films, {"film": seen}
        self.films, whole = dataset.load(self.films, config.SOURCE_SIZE)
        if self._found is None:
            self._found = lungs.find(self._lung_network(whole), whole)
        found, side = self._found, recipe.side
        return self.films, {view: views.apply(view, whole, found, side) for view in recipe.views}

    def _lung_network(self, whole: np.ndarray) -> keras.Model:
        """The network that finds lungs: trained now, or as recorded where there are few masks."""
        rows, _ = lungs.masks(self.films.table)
        masked = int((self.films.table["part"].iloc[rows] == "training").sum())
        if self.mode == "replay" or masked < lungs.LEAST_MASKS:
            return record.load_network(config.RESULTS, lungs.NAME)
        done = self._work / f"{lungs.NAME}-finished"
        lock = self._work / f"{lungs.NAME}.lock"
        with storage.alone(lock, "learning to find lungs", patience=5.0):  # workers only look
            if not done.is_file():
                self._learn_lungs(whole)
                storage.write_text(done, "")
        return record.load_network(self.root, lungs.NAME)

    def _learn_lungs(self, whole: np.ndarray) -> None:
        """Train the network that finds lungs and record it."""
        epochs = lungs.SHORT_EPOCHS if self.schedule == "short" else lungs.EPOCHS
        start = time.perf_counter()
        with fit.epochs("Finding the lungs", epochs, silent=not self._tell) as bar:
            model, judged = lungs.learn(self.films.table, whole, epochs, on_epoch=bar.update)
        facts = {
            "films_digest": manifest.digest(self.films.table),
            "schedule": self.schedule,
            "epochs": epochs,
            "parameters": model.count_params(),
            "training_seconds": round(time.perf_counter() - start, 1),
            **record.circumstances(),
            "masks": judged.round(4).to_dict(orient="list"),
        }
        record.write_facts(self.root, lungs.NAME, facts, model)

    def train(self, names: Sequence[str], pool: Executor | None = None) -> Iterator[Result]:
        """Train recipes, each member a task of its own; yield results in the order of ``names``.

        In a pool all are under way at once, and all are tried before a failure is raised.
        BusyError: another run trains one of them. RuntimeError names trainings that failed.
        """
        failed = []
        for group in [[name] for name in names] if pool is None else [names]:
            todo, silent = [self.recipe(name) for name in group], pool is None or not self._tell
            total = sum(len(recipe.seeds) for recipe in todo if recipe.epochs)
            with tqdm(desc="Trainings", total=total, disable=silent) as bar:
                begun = [self._train(recipe, pool, bar) for recipe in todo]
                for step in begun:
                    next(step)
                for recipe, step in zip(todo, begun, strict=True):
                    try:
                        yield next(step)
                    except (ValueError, RuntimeError, OSError) as error:
                        if pool is None or isinstance(error, BrokenExecutor):
                            raise
                        failed.append(f"{recipe.name}: {error}")
        if failed:
            raise RuntimeError("; ".join(failed))

    def _train(self, recipe: Recipe, pool: Executor | None, bar: tqdm) -> Iterator[Result | None]:
        """Two steps under one lock: start the members (yields None), record them (the result)."""
        films, _ = self.pictures(recipe)
        for name in ("training", "validation"):
            classes = films.table.loc[films.table["part"] == name, "label"].nunique()
            if classes < 2:
                lacking = f"{films.source}: the {name} films hold {classes} of the two classes"
                raise dataset.FilmError(f"{lacking}; run `make data` for the full set")
        work = self._folder(recipe)
        with storage.alone(work.with_name(f"{work.name}.lock"), f"training {recipe.title}"):
            self._worked.append(work)
            seeds = recipe.seeds if recipe.epochs else ()
            if (work / DONE).is_file() and (self.root / recipe.name / record.FACTS).is_file():
                bar.update(len(seeds))  # done before this run was interrupted
                yield None
            else:
                waiting = {s: tasks.start(pool, self.member, recipe, s, work) for s in seeds}
                yield None
                fitted = {}
                for seed, result in waiting.items():
                    fitted[seed] = result()
                    bar.update()
                self._record(recipe, fitted)
                storage.write_text(work / DONE, "")
            yield self.recorded(recipe.name)

    def member(self, recipe: Recipe, seed: int, work: Path) -> fit.Fitted:
        """Train one seed of a recipe; go on from ``work`` where a run was interrupted.

        FilmError: the films that can be read here are not those that ``work`` is for.
        """
        films, seen = self.pictures(replace(recipe, view="+".join(recipe.views_of(seed))))
        if self._folder(recipe) != work:
            raise dataset.FilmError(f"{films.source}: a worker cannot read the same films")
        y = films.table["y"].to_numpy()
        data = (fit.in_every_view(seen, y, rows) for rows in _learnt(recipe, seed, films.table))
        with fit.bar(recipe, seed, self.names, silent=not self._tell) as bar:
            report = functools.partial(fit.report, bar)
            return fit.fit(recipe, seed, *data, work / f"seed_{seed}", report)

    def _record(self, recipe: Recipe, fitted: dict[int, fit.Fitted]) -> None:
        """Score the validation and test films with each member and write the record."""
        (films, pictures), rows = self.pictures(recipe), []
        table, test = films.table, films.table["part"].eq("test").to_numpy()
        if self.official:
            record.note_opening(self.root, recipe, int(test.sum()))
        for seed in recipe.seeds:
            scored = test | _learnt(recipe, seed, table)[1]
            split = np.where(test[scored], "test", recipe.unseen)
            if fitted:
                seen = {view: pictures[view][scored] for view in recipe.views_of(seed)}
                probability = ensemble.mean_over_views(fitted[seed].model, seen)
            else:
                probability = _dummy(recipe, table)[scored]
            names = table.loc[scored, ["film"]]
            rows.append(names.assign(split=split, seed=seed, probability=probability))
        histories = [one.history.assign(seed=seed) for seed, one in fitted.items()]
        network = classifiers.build(recipe.builder, recipe.side)
        facts = {
            "films_digest": manifest.digest(table),
            "films": table["part"].value_counts().reindex(manifest.PARTS, fill_value=0).to_dict(),
            "source": films.source,
            "schedule": self.schedule,
            "parameters": network.count_params() if fitted else 0,
            "network_digest": classifiers.fingerprint(recipe.builder, recipe.side),
            "training_seconds": {str(seed): one.seconds for seed, one in fitted.items()},
            **record.circumstances(),
        }
        history = pd.concat(histories, ignore_index=True) if histories else pd.DataFrame()
        predictions = pd.concat(rows).sort_values(["seed", "split", "film"], ignore_index=True)
        found = record.Record(predictions, history, facts)
        result = Result(recipe, found, table.set_index("film"), lambda seed: None)
        facts |= {"threshold": result.threshold, "recall_first": result.recall_first}
        facts["rule"] = f"{recipe.recall_first}, on {recipe.unseen} films"
        kept = result.answering if fitted and recipe.keep_weights else ()
        record.write(self.root, recipe, found, {seed: fitted[seed].model for seed in kept})

    def _folder(self, recipe: Recipe) -> Path:
        """Where the trainings of ``recipe`` on the films at hand keep what they need to go on."""
        films = manifest.digest(self.films.table)
        return self._work / f"{recipe.name}-{recipe.digest()}-{films[:8]}"

    def close(self) -> None:
        """Forget the state of this run's trainings, and no other's; the next trains afresh."""
        for path in self._worked:
            shutil.rmtree(path, ignore_errors=True)
        (self._work / f"{lungs.NAME}-finished").unlink(missing_ok=True)


def _learnt(recipe: Recipe, seed: int, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Films that a member learns from, and those that steer it, each (n,) bool."""
    held = table["fold"].eq(seed) if recipe.folds else table["part"].eq("validation")
    learnt = table["part"].ne("test") & ~held
    return learnt.to_numpy(), held.to_numpy()


def _dummy(recipe: Recipe, table: pd.DataFrame) -> np.ndarray:
    """The dummy's probability of pneumonia for every film of ``table``, learnt from training."""
    y = table["y"].to_numpy()
    learnt, nothing = table["part"] == "training", np.zeros((len(y), 1))
    classifier = classifiers.build(recipe.builder, recipe.side).fit(nothing[learnt], y[learnt])
    return classifier.predict_proba(nothing)[:, list(classifier.classes_).index(1)]
