"""Lungs: boxes around known masks, films cut at known places, failures that fall back."""

from types import SimpleNamespace

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
    rows = slice(round(top * side), round(bottom * side))
    for left, right in ((0.1, 0.45), (0.55, 0.9)):
        mask[rows, round(left * side) : round(right * side)] = 1.0
    return mask


LUNGS = two_lungs()


@pytest.mark.parametrize(
    ("top", "bottom", "box"),
    [(0.2, 0.8, (0.14, 0.86, 0.04, 0.96)), (0.0, 0.7, (0.0, 0.76, 0.04, 0.96))],
)
def test_the_box_surrounds_both_lungs_with_a_margin_and_never_leaves_the_film(top, bottom, box):
    mask = two_lungs(top, bottom)
    assert lungs.box(mask) == pytest.approx(box, abs=0.01)
    mask[-2:, :2] = 1.0  # a speck
    assert lungs.box(mask) == pytest.approx(box, abs=0.01)


@pytest.mark.parametrize("mask", [0 * LUNGS, 0 * LUNGS + 1, two_lungs(0.5, 0.6)])
def test_what_cannot_be_a_pair_of_lungs_gives_no_box_and_the_whole_film_is_taken(mask):
    assert lungs.box(mask) is None
    answer = np.tile(mask[..., np.newaxis], (3, 1, 1, 1))
    network = SimpleNamespace(predict=lambda batches, verbose: answer)
    found = lungs.find(network, np.zeros((3, 224, 224), np.uint8))
    assert not found.ok.any()
    assert found.boxes == pytest.approx(np.tile([0, 1, 0, 1], (3, 1)))


def test_a_cut_shows_what_is_inside_the_box():
    film = np.zeros((224, 224), np.uint8)
    film[56:168, 112:] = 200
    # The filter reaches a pixel over the edge of the box.
    assert (lungs.cut(film, (0.25, 0.75, 0.5, 1.0), 32)[1:-1, 1:] == 200).all()
    assert (lungs.cut(film, (0.0, 0.25, 0.0, 0.5), 32)[:-1, :-1] == 0).all()


def test_dice_and_loss_of_known_masks():
    left, both = np.zeros((1, 4, 4), bool), np.ones((1, 4, 4), bool)
    left[:, :, :2] = True
    assert (lungs.dice(left, left), lungs.dice(left, ~left)) == (1, 0)
    assert lungs.dice(left, both) == pytest.approx(2 * 8 / 24)
    truth = tf.constant(LUNGS[np.newaxis, ..., np.newaxis])
    right, wrong = (float(tf.reduce_mean(lungs.loss(truth, p))) for p in (truth, 1 - truth))
    assert right < 0.01 < wrong


def test_opacities_lie_on_the_lungs_only_and_are_the_same_each_time():
    lung, seed = np.tile(LUNGS[..., np.newaxis], (8, 1, 1, 1)), tf.constant([2018, 1])
    films = tf.fill(lung.shape, 0.2)
    clouded, again = (lungs.opacify(films, lung, seed).numpy() for _ in range(2))
    assert clouded[lung == 0] == pytest.approx(0.2)
    assert (clouded[lung > 0] > 0.4).any()
    assert np.array_equal(clouded, again)


def test_the_package_has_masks_for_training_validation_and_test_films():
    films = manifest.read()
    rows, drawn = lungs.masks(films)
    assert len(rows) == films["mask"].sum()
    assert drawn.shape == (len(rows), 224, 224)
    assert set(films["label"].iloc[rows]) == {"NORMAL"}
    assert 0.1 < drawn.mean() < 0.5


def test_a_short_training_learns_to_tell_lung_from_not(monkeypatch):
    monkeypatch.setattr(lungs, "SIDE", 64)
    drawn, done = np.tile(two_lungs(side=64), (16, 1, 1)).astype(np.uint8), []
    films = 40 + 160 * (1 - drawn)
    model = lungs.fit(films, drawn, epochs=8, on_epoch=done.append)
    loss = model.history.history["loss"]
    assert done == [1] * len(loss) == [1] * 8
    assert loss[-1] < loss[0]
    assert lungs.segment(model, films).shape == (16, 64, 64)


def test_the_recorded_network_finds_held_out_lungs():
    masks = record.read_facts(config.RESULTS, lungs.NAME)["masks"]
    held = [d for d, part in zip(masks["dice"], masks["part"], strict=True) if part == "validation"]
    assert np.mean(held) >= 0.93
    assert isinstance(record.load_network(config.RESULTS, lungs.NAME), keras.Model)


FOUND = lungs.Found(np.array([lungs.box(LUNGS)]), LUNGS[np.newaxis] > 0.5, np.array([True]))
FILM = np.where(two_lungs(side=224) > 0, 200, 50).astype(np.uint8)[np.newaxis]  # lungs of tone 200


def test_views_show_what_their_names_say_and_others_or_missing_lungs_are_refused():
    framed = np.pad(FILM[:, 9:-9, 9:-9], ((0, 0), (9, 9), (9, 9)), constant_values=255)
    seen, edged = (
        {view: views.apply(view, film, FOUND, 224)[0] for view in views.VIEWS}
        for film in (FILM, framed)
    )
    assert np.array_equal(seen["film"], FILM[0])
    assert (edged["film"] == 255).any()
    assert not any((edged[view] == 255).any() for view in ("filled film", "filled box"))
    assert (seen["box"] == 200).mean() > (FILM == 200).mean()
    with pytest.raises(ValueError, match="no view 'x-ray'; there are film, box"):
        views.apply("x-ray", FILM, None, 32)
    with pytest.raises(ValueError, match="'box' needs the lungs"):
        views.apply("box", FILM, None, 32)
