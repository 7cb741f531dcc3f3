"""A trained network ready to answer: its members, what each sees, its operating point."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from helpers import training, views
from helpers.lungs import Found
from helpers.study import Result


@dataclass(frozen=True)
class Committee:
    """Members (network, view) that see films of ``side`` pixels and answer with their mean.

    ``threshold`` is the probability from which on a film is called pneumonia.
    """

    name: str
    title: str
    side: int
    threshold: float
    members: tuple[tuple[keras.Model, str], ...]

    def seen(self, pictures: np.ndarray, found: Found) -> dict[str, np.ndarray]:
        """Films (n, 224, 224) uint8 as each of the members' views shows them."""
        wanted = {view for _, view in self.members}
        return {view: views.look(view, pictures, found, self.side) for view in sorted(wanted)}

    def each(self, pictures: np.ndarray, found: Found) -> np.ndarray:
        """Every member's probability of pneumonia, (members, n)."""
        seen = self.seen(pictures, found)
        return np.array([training.predict(model, seen[view]) for model, view in self.members])

    def answers(self, pictures: np.ndarray, found: Found) -> np.ndarray:
        """The mean of the members' probabilities for films (n, 224, 224) uint8, (n,)."""
        return self.each(pictures, found).mean(axis=0)


def seat(result: Result) -> Committee:
    """The committee of a result whose members are kept.

    Raises:
        RecordError: the weights are not kept.
    """
    recipe = result.recipe
    members = zip(result.members(), map(recipe.view_of, recipe.seeds), strict=True)
    return Committee(recipe.name, recipe.title, recipe.side, result.threshold, tuple(members))
