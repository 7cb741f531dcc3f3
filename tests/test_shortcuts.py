"""The edge of a film, and nothing but the edge."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.data import dataset, manifest
from helpers.evaluation import metrics
from helpers.shortcuts import acquisition


@pytest.fixture(scope="module")
def films():
    table = manifest.read().sample(1500, random_state=0).reset_index(drop=True)
    return dataset.Films("drawn", table)


def drawn(films, edge):
    """Noise, with the label written into the edge or into the middle."""
    pictures = np.random.default_rng(0).integers(0, 100, (len(films.table), 8, 8)).astype(np.uint8)
    sick = (films.table["label"] == "PNEUMONIA").to_numpy()
    place = (slice(None), 0) if edge else (slice(2, 6), slice(2, 6))
    pictures[(sick, *place)] += 100
    return pictures


@pytest.mark.parametrize(("edge", "low", "high"), [(True, 0.99, 1.0), (False, 0.3, 0.7)])
def test_only_what_stands_at_the_edge_is_found(films, edge, low, high):
    scores = acquisition.edge_scores(films, drawn(films, edge))
    assert low <= metrics.point(scores, 0.5)["AUROC"] <= high


def test_only_validation_films_are_scored(films):
    scores = acquisition.edge_scores(films, drawn(films, True))
    assert set(scores["part"]) == {"validation"}
