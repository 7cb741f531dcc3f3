"""A recipe's outcome, recorded or trained now: scores, operating point, estimates, networks."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import pandas as pd

from helpers.evaluation import metrics, thresholds
from helpers.models.ensemble import Ensemble
from helpers.shortcuts import acquisition
from helpers.training import record
from helpers.training.recipes import Recipe


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
        films = self.films.loc[table.index, ["label", "y", "subtype", "series", "patient"]]
        return films.assign(probability=probability).reset_index()

    def members(self) -> list[keras.Model]:
        """The trained networks, one a seed; RecordError where they are not kept."""
        return [self.load(seed) for seed in self.recipe.seeds]

    def ensemble(self) -> Ensemble:
        """The members, what each sees, the operating point; RecordError: weights are not kept."""
        recipe = self.recipe
        members = zip(self.members(), map(recipe.view_of, recipe.seeds), strict=True)
        return Ensemble(recipe.name, recipe.title, recipe.side, self.threshold, tuple(members))
