"""How far a run is and how long it will still take, for a person who waits."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from helpers.training.recipes import Recipe


@dataclass
class Clock:
    """Time left of a run: what the record took for the rest, scaled by today's speed."""

    expected: dict[str, float]
    start: float = field(default_factory=time.perf_counter)
    behind: float = 0.0

    def done(self, recipe: Recipe) -> None:
        """Note that a recipe is finished."""
        self.behind += self.expected.get(recipe.name, 0.0)

    def skip(self, recipe: Recipe) -> None:
        """Leave out a recipe that was finished before this run went on."""
        self.expected.pop(recipe.name, None)

    def left(self, recipe: Recipe, share: float) -> float:
        """Seconds left of the run when ``share`` of ``recipe`` is done; NaN when unknown.

        Unknown while nothing is done, and wherever a network was never recorded.
        """
        behind = self.behind + share * self.expected.get(recipe.name, 0.0)
        ahead = sum(self.expected.values()) - behind
        return ahead * (time.perf_counter() - self.start) / behind if behind > 0 else math.nan


def recorded_seconds(recipe: Recipe, films: int, results: Path) -> float:
    """Seconds that ``recipe`` would have taken where the record was made; NaN if not recorded."""
    if recipe.epochs == 0:
        return 0.0
    try:
        facts = json.loads((results / recipe.name / "record.json").read_text(encoding="utf-8"))
        epochs, seconds = len(facts["history"]["epoch"]), sum(facts["training_seconds"].values())
        rate = seconds / epochs / facts["films"]["training"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
        return math.nan
    return rate * films * recipe.epochs * len(recipe.seeds)


def bar(recipe: Recipe, seed: int, names: Sequence[str], silent: bool = False) -> tqdm:
    """A bar over the epochs of one training, on standard error."""
    place = f"{names.index(recipe.name) + 1} of {len(names)}"
    return tqdm(
        total=recipe.epochs,
        desc=f"{recipe.title}, seed {seed} ({place})",
        bar_format="{desc}: {bar:20} epoch {n:.1f} of {total}, {remaining} left{postfix}",
        file=sys.stderr,
        disable=silent,
        mininterval=0.5,
    )


def epochs(what: str, count: int, silent: bool = False) -> tqdm:
    """A bar over the epochs of something that is no recipe, on standard error."""
    return tqdm(
        total=count,
        desc=what,
        bar_format="{desc}: {bar:20} epoch {n} of {total}, {remaining} left",
        file=sys.stderr,
        disable=silent,
    )


def report(
    bar: tqdm, clock: Clock, recipe: Recipe, seed: int, epochs: float, logs: dict[str, float]
) -> None:
    """Move the bar to ``epochs`` and show the last validation figures and the time left."""
    share = (recipe.seeds.index(seed) + epochs / recipe.epochs) / len(recipe.seeds)
    left = clock.left(recipe, share)
    told = [f"validation accuracy {logs['val_accuracy']:.3f}"] if logs else []
    if math.isfinite(left):
        told.append(f"whole study {bar.format_interval(left)} left")
    if told:
        bar.set_postfix_str(", ".join(told), refresh=False)
    bar.update(epochs - bar.n)
