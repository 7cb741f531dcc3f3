"""Several trained networks that answer with their mean."""

from dataclasses import dataclass

import keras
import numpy as np

from helpers.data import generators
from helpers.models import views
from helpers.models.lungs import Found


def predict(model: keras.Model, pictures: np.ndarray) -> np.ndarray:
    """Probability of pneumonia for (n, side, side) uint8 films, as (n,) float64."""
    films = generators.test_set(pictures, batch_size=128)
    return model.predict(films, verbose=0)[:, 0].astype(np.float64)


def mean_over_views(model: keras.Model, seen: dict[str, np.ndarray]) -> np.ndarray:
    """The mean of a network's answers to each film in several views, (n,)."""
    return np.mean([predict(model, films) for films in seen.values()], axis=0)


@dataclass(frozen=True)
class Ensemble:
    """Members (network, view) that see films of ``side`` pixels and answer with their mean.

    A network that learnt from several views is a member once for each.
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
        return {view: views.apply(view, pictures, found, self.side) for view in wanted}

    def answers(self, pictures: np.ndarray, found: Found) -> np.ndarray:
        """The mean of the members' probabilities for films (n, 224, 224) uint8, (n,)."""
        seen = self.seen(pictures, found)
        return np.mean([predict(model, seen[view]) for model, view in self.members], axis=0)
