"""Corruptions: shape, type, the same each time, and worse with strength."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.shortcuts import perturbations
from tests.conftest import draw_film


@pytest.fixture(scope="module")
def films():
    drawn = [draw_film(seed, seed % 2 == 0).resize((224, 224)) for seed in range(4)]
    grain = np.random.default_rng(0).normal(0, 6, (4, 224, 224))  # films have fine detail
    return np.clip(np.array([np.asarray(film) for film in drawn]) + grain, 0, 255).astype(np.uint8)


EVERY = [*perturbations.CORRUPTIONS, *perturbations.STORAGE_ERRORS]


@pytest.mark.parametrize("name", EVERY)
def test_a_corrupted_film_has_shape_and_type_of_the_film_and_the_film_stays(name, films):
    kept = films.copy()
    made = perturbations.corrupt(name, 3, films)
    assert made.shape == films.shape
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(films, kept)
    np.testing.assert_array_equal(made, perturbations.corrupt(name, 3, films))
    assert (made != films).any()


@pytest.mark.parametrize("name", perturbations.CORRUPTIONS)
def test_a_greater_strength_changes_the_film_more(name, films):
    apart = [
        np.abs(perturbations.corrupt(name, s, films).astype(float) - films).mean()
        for s in perturbations.STRENGTHS
    ]
    assert apart == sorted(apart)


def test_mirroring_and_inverting_twice_give_the_film_back(films):
    for name in perturbations.STORAGE_ERRORS:
        twice = perturbations.corrupt(name, 1, perturbations.corrupt(name, 1, films))
        np.testing.assert_array_equal(twice, films)


def test_known_values():
    flat = np.full((1, 224, 224), 100, np.uint8)
    flat[0, 0, 0] = 200
    assert perturbations.corrupt("contrast", 3, flat)[0, 0, 0] == 150
    assert perturbations.corrupt("inverted", 1, flat)[0, 1, 1] == 155
    moved = perturbations.corrupt("shift", 1, flat)[0]
    assert (moved[:, :7] == 0).all()
    assert (moved[1:, 8:] == 100).all()
    # Number 0 is brightened, number 1 darkened.
    both = np.full((2, 224, 224), 128, np.uint8)
    bright, dark = perturbations.corrupt("exposure", 5, both)[:, 0, 0]
    assert (bright, dark) == (
        round(255 * (128 / 255) ** 0.4),
        round(255 * (128 / 255) ** 2.5),
    )


def test_unknown_ones_are_refused(films):
    with pytest.raises(ValueError, match="no corruption"):
        perturbations.corrupt("rain", 1, films)
    with pytest.raises(ValueError, match="strength 6"):
        perturbations.corrupt("blur", 6, films)
