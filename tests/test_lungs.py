"""Lungs: boxes around known masks, films cut at known places, failures that fall back."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import config
from helpers.data import manifest
from helpers.models import lungs, views
from helpers.training import record


def two_lungs(top=0.2, bottom=0.8, side=lungs.SIDE):
    """Probability map with two clear lungs, 10 to 45% and 55 to 90% across."""
    mask = np.zeros((side, side), dtype=np.float32)
    for left, right in ((0.1, 0.45), (0.55, 0.9)):
        rows, columns = (
            slice(round(a * side), round(b * side)) for a, b in ((top, bottom), (left, right))
        )
        mask[rows, columns] = 1.0
    return mask


def test_the_box_surrounds_both_lungs_with_a_margin():
    assert lungs.box(two_lungs()) == pytest.approx((0.14, 0.86, 0.04, 0.96), abs=0.01)


def test_a_box_never_leaves_the_film():
    box = lungs.box(two_lungs(top=0.0, bottom=0.7))
    assert min(box) >= 0
    assert max(box) <= 1


def test_specks_do_not_widen_the_box():
    mask = two_lungs()
    mask[:2, :2] = 1.0
    assert lungs.box(mask) == lungs.box(two_lungs())


@pytest.mark.parametrize("mask", [np.zeros((128, 128)), np.ones((128, 128)), two_lungs(0.5, 0.6)])
def test_what_cannot_be_a_pair_of_lungs_gives_no_box(mask):
    assert lungs.box(mask.astype(np.float32)) is None


class Constant:
    """A network that finds the same lungs in every film."""

    def __init__(self, mask):
        self.mask = mask

    def predict(self, batches, verbose):
        count = sum(len(batch) for batch in batches)
        return np.repeat(self.mask[np.newaxis, ..., np.newaxis], count, axis=0)


def test_where_no_lungs_are_found_the_whole_film_is_taken():
    found = lungs.find(
        Constant(np.zeros((128, 128), np.float32)), np.zeros((3, 224, 224), np.uint8)
    )
    assert not found.ok.any()
    assert found.boxes == pytest.approx(np.tile([0, 1, 0, 1], (3, 1)))


def test_a_cut_shows_what_is_inside_the_box():
    film = np.zeros((224, 224), np.uint8)
    film[56:168, 112:] = 200
    # The filter reaches a pixel over the edge of the box.
    assert (lungs.cut(film, np.array([0.25, 0.75, 0.5, 1.0]), 32)[1:-1, 1:] == 200).all()
    assert (lungs.cut(film, np.array([0.0, 0.25, 0.0, 0.5]), 32)[:-1, :-1] == 0).all()


def test_dice_of_known_masks():
    left, both = np.zeros((1, 4, 4), bool), np.ones((1, 4, 4), bool)
    left[:, :, :2] = True
    assert lungs.dice(left, left) == 1
    assert lungs.dice(left, ~left) == 0
    assert lungs.dice(left, both) == pytest.approx(2 * 8 / 24)


def test_opacities_lie_on_the_lungs_only_and_are_the_same_each_time():
    small = np.full((8, lungs.SIDE, lungs.SIDE), 40, np.uint8)
    outline = np.repeat(two_lungs()[np.newaxis] > 0, 8, axis=0)
    clouded = lungs.opaque(small, outline)
    assert (clouded[~outline] == 40).all()
    assert (clouded[outline] > 80).any()
    assert np.array_equal(clouded, lungs.opaque(small, outline))


def test_the_package_has_masks_for_training_validation_and_test_films():
    films = manifest.read()
    rows, drawn = lungs.masks(films)
    assert len(rows) == films["mask"].sum()
    assert drawn.shape == (len(rows), 224, 224)
    assert set(films["label"].iloc[rows]) == {"NORMAL"}
    assert 0.1 < drawn.mean() < 0.5


def test_a_short_training_learns_to_tell_lung_from_not():
    films = np.repeat((40 + 160 * (1 - two_lungs()))[np.newaxis], 16, axis=0).astype(np.uint8)
    drawn = np.repeat(two_lungs()[np.newaxis], 16, axis=0).astype(np.uint8)
    done = []
    model = lungs.fit(films, drawn, epochs=8, on_epoch=done.append)
    loss = model.history.history["loss"]
    assert done == [1] * len(loss) == [1] * 8
    assert loss[-1] < loss[0]
    assert lungs.segment(model, films).shape == (16, lungs.SIDE, lungs.SIDE)


def test_the_loss_is_least_for_the_right_mask():
    truth = tf.constant(two_lungs()[np.newaxis, ..., np.newaxis])
    right, wrong = (float(tf.reduce_mean(lungs.loss(truth, p))) for p in (truth, 1 - truth))
    assert right < 0.01 < wrong


def test_the_recorded_network_finds_held_out_lungs():
    facts = record.read_facts(config.RESULTS, lungs.NAME)
    masks = facts["masks"]
    held = [d for d, part in zip(masks["dice"], masks["part"], strict=True) if part == "validation"]
    assert np.mean(held) >= 0.93
    assert isinstance(record.load_network(config.RESULTS, lungs.NAME), keras.Model)


# -- views ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found():
    mask = two_lungs()
    return lungs.Found(np.array([lungs.box(mask)]), mask[np.newaxis] > 0.5, np.array([True]))


@pytest.fixture(scope="module")
def film():
    """Grey 50 outside the lungs, 200 inside."""
    return np.where(two_lungs(side=224) > 0, 200, 50).astype(np.uint8)[np.newaxis]


def test_views_show_what_their_names_say(film, found):
    seen = {view: views.apply(view, film, found, 224)[0] for view in views.VIEWS}
    assert np.array_equal(seen["film"], film[0])
    assert seen["ring"][100:120, 100:120].max() == 0
    assert seen["ring"][0, 0] == 50
    assert seen["without_lungs"].max() == 50
    assert seen["lungs_only"][:5, :5].max() == 0
    assert seen["lungs_only"].max() == 200
    assert (seen["box"] == 200).mean() > (film == 200).mean()


def test_equalised_films_do_not_know_how_bright_the_film_was(film, found):
    noise = np.random.default_rng(0).integers(60, 180, film.shape).astype(np.uint8)
    darker = (noise * 0.5).astype(np.uint8)
    a, b = (views.apply("equalised", f, found, 96).astype(int) for f in (noise, darker))
    assert abs(a.mean() - b.mean()) < 5


def test_an_unknown_view_and_missing_lungs_are_refused(film):
    with pytest.raises(ValueError, match="no view 'x-ray'; there are film, box"):
        views.apply("x-ray", film, None, 32)
    with pytest.raises(ValueError, match="'box' needs the lungs"):
        views.apply("box", film, None, 32)
