"""Batches are a function of seed and step; augmentation moves films as it says, and only so."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from helpers.data import generators
from helpers.data.generators import Augmentation
from helpers.training import recipes

COUNT, SIDE = 10, 16
STRONG = Augmentation(
    rotation=40,
    shift=0.3,
    zoom=0.4,
    mirror=True,
    flip=True,
    brightness=0.5,
    contrast=1,
    gamma=1,
    noise=0.3,
)


@pytest.fixture(scope="module")
def pictures():
    """Films that can be told apart: the first pixel is the film's number."""
    drawn = np.random.default_rng(1).integers(0, 256, (COUNT, SIDE, SIDE), dtype=np.uint8)
    drawn[:, 0, 0] = np.arange(COUNT)
    return drawn


@pytest.fixture(scope="module")
def labels():
    return np.arange(COUNT) % 2


@pytest.fixture(scope="module")
def batches(pictures, labels):
    """Collect training batches as (steps, batch, ...) arrays of pictures and labels."""

    def collect(threads=None, **settings):
        settings = {"batch_size": 4, "epochs": 2, "seed": 1, **settings}
        made = generators.train_set(pictures, labels, **settings)
        if threads:
            options = tf.data.Options()
            options.threading.private_threadpool_size = threads
            made = made.with_options(options)
        return tuple(np.stack(kind) for kind in zip(*made.as_numpy_iterator(), strict=True))

    return collect


def numbers(x):
    """Which films batches hold."""
    return x[..., 0, 0, 0].astype(int)


def seed(step=0):
    return tf.constant([1, 1000 + 16 * step])


def moved(pictures, augmentation, step=0):
    """The films as float, and the same films augmented."""
    x = pictures[..., np.newaxis].astype(np.float32)
    return x[..., 0], generators.augment(tf.constant(x), augmentation, seed(step)).numpy()[..., 0]


# -- the order of films -----------------------------------------------------------------------


def test_the_same_seed_gives_the_same_batches(batches):
    for one, two in zip(batches(augmentation=STRONG), batches(augmentation=STRONG), strict=True):
        np.testing.assert_array_equal(one, two)


def test_another_seed_gives_another_order(batches):
    assert not np.array_equal(numbers(batches(seed=1)[0]), numbers(batches(seed=2)[0]))


def test_another_seed_moves_films_otherwise(pictures):
    first, second = (
        generators.transforms(STRONG, COUNT, SIDE, tf.constant([number, 1000])).numpy()
        for number in (1, 2)
    )
    assert not np.isclose(first[:, :6], second[:, :6]).all(axis=1).any()


@pytest.mark.parametrize("threads", [1, 7])
def test_batches_do_not_depend_on_the_number_of_threads(batches, threads):
    few, usual = batches(threads, augmentation=STRONG), batches(augmentation=STRONG)
    for one, two in zip(few, usual, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("batch_size", [1, 3, 4, 10, 16])
def test_every_epoch_shows_every_film(batches, batch_size):
    shown = numbers(batches(batch_size=batch_size)[0]).reshape(2, -1)
    assert [set(epoch) for epoch in shown] == [set(range(COUNT))] * 2


def test_only_the_filling_of_the_last_batch_is_shown_twice(batches):
    shown = numbers(batches(epochs=1)[0]).ravel()
    assert len(set(shown[:COUNT])) == COUNT
    assert list(shown[COUNT:]) == list(shown[: len(shown) - COUNT])


def test_epochs_differ_in_their_order(batches):
    first, second = numbers(batches()[0]).reshape(2, -1)
    assert not np.array_equal(first, second)


def test_changes_are_drawn_anew_in_each_epoch():
    grey, labels = np.full((COUNT, SIDE, SIDE), 128, np.uint8), np.zeros(COUNT)
    brighter = Augmentation(brightness=0.2)
    made = generators.train_set(
        grey, labels, batch_size=COUNT, epochs=2, seed=1, augmentation=brighter
    )
    first, second = (x[:, 0, 0, 0] for x, _ in made.as_numpy_iterator())
    assert not np.isclose(first, second).any()


@pytest.mark.parametrize("first", [1, 2])
def test_a_later_first_epoch_goes_on_where_the_whole_stream_is(batches, first):
    whole = batches(epochs=3, augmentation=STRONG)
    rest = batches(epochs=3, augmentation=STRONG, first_epoch=first)
    for one, two in zip(whole, rest, strict=True):
        np.testing.assert_array_equal(one[3 * first :], two)


def test_labels_stay_with_their_films(batches, labels):
    x, y = batches()
    np.testing.assert_array_equal(y[..., 0], labels[numbers(x)])


def test_without_augmentation_pixels_are_unchanged(batches, pictures):
    x, _ = batches(augmentation=None)
    np.testing.assert_array_equal(x[..., 0], pictures[numbers(x)])


def test_training_batches_all_have_one_shape_and_type(pictures, labels):
    made = generators.train_set(pictures, labels, batch_size=4, epochs=1, seed=1)
    x, y = zip(*made.as_numpy_iterator(), strict=True)
    assert {(a.shape, a.dtype.name) for a in x} == {((4, SIDE, SIDE, 1), "float32")}
    assert {(a.shape, a.dtype.name) for a in y} == {((4, 1), "float32")}


@pytest.mark.parametrize(("count", "size", "steps"), [(10, 4, 3), (8, 4, 2), (1, 4, 1)])
def test_an_epoch_has_the_batches_that_show_all_films(count, size, steps):
    assert generators.steps_per_epoch(count, size) == steps


# -- validation and test films ----------------------------------------------------------------


def test_validation_films_come_in_order_and_unchanged(pictures, labels):
    made = generators.val_set(pictures, labels, batch_size=4)
    x, y = (np.concatenate(kind) for kind in zip(*made.as_numpy_iterator(), strict=True))
    np.testing.assert_array_equal(x[..., 0], pictures)
    np.testing.assert_array_equal(y[:, 0], labels)
    assert (x.dtype, y.dtype) == (np.float32, np.float32)


def test_test_films_come_in_order_unchanged_and_without_labels(pictures):
    made = list(generators.test_set(pictures, batch_size=4).as_numpy_iterator())
    assert [x.shape for x in made] == [(4, SIDE, SIDE, 1)] * 2 + [(2, SIDE, SIDE, 1)]
    np.testing.assert_array_equal(np.concatenate(made)[..., 0], pictures)


# -- refusals ---------------------------------------------------------------------------------


NONE = np.zeros((0, SIDE, SIDE), np.uint8)


@pytest.mark.parametrize(
    "make",
    [
        lambda: generators.train_set(NONE, np.zeros(0), batch_size=4, epochs=1, seed=1),
        lambda: generators.val_set(NONE, np.zeros(0), batch_size=4),
        lambda: generators.test_set(NONE, batch_size=4),
    ],
    ids=["train", "val", "test"],
)
def test_no_films_make_no_batches(make):
    with pytest.raises(ValueError, match="no films"):
        make()


def test_as_many_labels_as_films_are_wanted(pictures, labels):
    with pytest.raises(ValueError, match="10 films but 9 labels"):
        generators.train_set(pictures, labels[1:], batch_size=4, epochs=1, seed=1)
    with pytest.raises(ValueError, match="10 films but 9 labels"):
        generators.val_set(pictures, labels[1:], batch_size=4)


# -- movements --------------------------------------------------------------------------------


def test_no_movement_is_the_identity():
    still = generators.transforms(Augmentation(), 3, SIDE, seed()).numpy()
    np.testing.assert_array_equal(still, [[1, 0, 0, 0, 1, 0, 0, 0]] * 3)


def test_an_augmentation_without_changes_changes_nothing(pictures):
    np.testing.assert_array_equal(*moved(pictures, Augmentation()))


@pytest.mark.parametrize(("change", "axis"), [("mirror", 2), ("flip", 1)])
def test_about_half_the_films_are_turned_over_and_the_others_left(pictures, change, axis):
    many = np.tile(pictures, (20, 1, 1))
    before, after = moved(many, Augmentation(**{change: True}))
    turned = np.isclose(after, np.flip(before, axis), atol=1e-3).all(axis=(1, 2))
    left = np.isclose(after, before, atol=1e-3).all(axis=(1, 2))
    assert (turned ^ left).all()
    assert 0.4 < turned.mean() < 0.6


def test_mirror_and_flip_are_drawn_independently(pictures):
    both = Augmentation(mirror=True, flip=True)
    turns = generators.transforms(both, 400, SIDE, seed()).numpy()[:, [0, 4]]
    _, counts = np.unique(turns.round(), axis=0, return_counts=True)
    assert len(counts) == 4
    assert counts.min() > 60


def test_movements_are_drawn_independently():
    rows = generators.transforms(Augmentation(shift=0.25), 400, SIDE, seed()).numpy()
    shifts = rows[:, [2, 5]]
    rows = generators.transforms(Augmentation(rotation=30, zoom=0.5), 400, SIDE, seed()).numpy()
    turns = np.arctan2(rows[:, 3], rows[:, 0]), np.hypot(rows[:, 3], rows[:, 0])
    alike = np.corrcoef([*shifts.T, *turns])
    assert abs(alike - np.eye(4)).max() < 0.2


def smooth(pictures):
    """Films without sharp edges: interpolation rounds where those jump."""
    return ndimage.gaussian_filter(pictures.astype(float), (0, 1.5, 1.5)).astype(np.uint8)


def test_a_shift_moves_as_scipy_does(pictures):
    augmentation = Augmentation(shift=0.25)
    dx, dy = generators.transforms(augmentation, COUNT, SIDE, seed()).numpy()[:, [2, 5]].T
    before, after = moved(smooth(pictures), augmentation)
    expected = [
        ndimage.shift(film, (-y, -x), order=1, mode="grid-constant")
        for film, x, y in zip(before, dx, dy, strict=True)
    ]
    np.testing.assert_allclose(after, expected, atol=0.1)


def test_a_rotation_turns_about_the_centre_as_scipy_does(pictures):
    augmentation = Augmentation(rotation=40)
    rows = generators.transforms(augmentation, COUNT, SIDE, seed()).numpy()
    degrees = np.degrees(np.arctan2(rows[:, 3], rows[:, 0]))
    before, after = moved(smooth(pictures), augmentation)
    expected = [
        ndimage.rotate(film, angle, reshape=False, order=1, mode="grid-constant")
        for film, angle in zip(before, degrees, strict=True)
    ]
    np.testing.assert_allclose(after, expected, atol=0.1)


def test_a_zoom_scales_about_the_centre_as_scipy_does(pictures):
    augmentation = Augmentation(zoom=0.4)
    scales = generators.transforms(augmentation, COUNT, SIDE, seed()).numpy()[:, 0]
    before, after = moved(smooth(pictures), augmentation)
    middle = (SIDE - 1) / 2
    expected = [
        ndimage.affine_transform(
            film, [s, s], offset=middle * (1 - s), order=1, mode="grid-constant"
        )
        for film, s in zip(before, scales, strict=True)
    ]
    np.testing.assert_allclose(after, expected, atol=0.1)


@pytest.mark.parametrize(
    ("augmentation", "drawn", "low", "high"),
    [
        (
            Augmentation(rotation=30),
            lambda rows: np.degrees(np.arctan2(rows[:, 3], rows[:, 0])),
            -30,
            30,
        ),
        (Augmentation(shift=0.25), lambda rows: rows[:, 2], -4, 4),
        (Augmentation(shift=0.25), lambda rows: rows[:, 5], -4, 4),
        (Augmentation(zoom=0.5), lambda rows: np.log(rows[:, 0]), -math.log(1.5), math.log(1.5)),
    ],
    ids=["rotation", "shift across", "shift down", "zoom"],
)
def test_movements_fill_their_range_and_stay_in_it(augmentation, drawn, low, high):
    values = drawn(generators.transforms(augmentation, 400, SIDE, seed()).numpy())
    assert values.min() >= low - 1e-4
    assert values.max() <= high + 1e-4
    assert values.min() < 0.9 * low
    assert values.max() > 0.9 * high


def test_what_a_movement_uncovers_is_black():
    white = np.full((COUNT, SIDE, SIDE), 255, np.uint8)
    _, after = moved(white, Augmentation(rotation=40))
    assert after[:, 0, 0].min() == 0
    np.testing.assert_allclose(after[:, SIDE // 2, SIDE // 2], 255, atol=1e-3)


# -- tones ------------------------------------------------------------------------------------


def test_brightness_adds_one_amount_to_the_whole_film():
    grey = np.random.default_rng(1).integers(100, 150, (COUNT, SIDE, SIDE), dtype=np.uint8)
    before, after = moved(grey, Augmentation(brightness=0.1))
    added = (after - before).reshape(COUNT, -1)
    assert np.ptp(added, axis=1).max() < 1e-3
    assert np.ptp(added) > 10
    assert abs(added).max() <= 25.5 + 1e-3


def test_contrast_keeps_a_films_mean():
    grey = np.random.default_rng(1).integers(100, 150, (COUNT, SIDE, SIDE), dtype=np.uint8)
    before, after = moved(grey, Augmentation(contrast=0.5))
    np.testing.assert_allclose(after.mean(axis=(1, 2)), before.mean(axis=(1, 2)), rtol=1e-4)
    assert np.ptp(after.std(axis=(1, 2)) / before.std(axis=(1, 2))) > 0.1


def test_gamma_keeps_black_white_and_the_order_of_tones():
    ramp = np.tile(np.linspace(0, 255, SIDE).astype(np.uint8), (COUNT, SIDE, 1))
    before, after = moved(ramp, Augmentation(gamma=0.5))
    np.testing.assert_allclose(after[..., [0, -1]], before[..., [0, -1]], atol=1e-3)
    assert (np.diff(after, axis=2) > 0).all()
    assert np.ptp(after[:, 0, SIDE // 2]) > 10


def test_noise_is_grain_of_at_most_its_strength():
    grey = np.full((COUNT, 64, 64), 128, np.uint8)
    before, after = moved(grey, Augmentation(noise=0.1))
    spread = (after - before).std(axis=(1, 2))
    assert spread.max() < 0.11 * 255
    assert np.ptp(spread) > 2


@pytest.mark.parametrize("step", range(3))
def test_intensities_stay_between_black_and_white(pictures, step):
    extremes = np.where(pictures > 128, 255, 0).astype(np.uint8)
    _, after = moved(extremes, STRONG, step)
    assert after.min() >= 0
    assert after.max() <= 255


def test_augmented_films_keep_shape_and_type(batches):
    x, _ = batches(augmentation=STRONG)
    assert (x.shape, x.dtype) == ((6, 4, SIDE, SIDE, 1), np.float32)


# -- what the study does ----------------------------------------------------------------------


def test_films_are_turned_over_only_when_asked():
    assert (Augmentation().mirror, Augmentation().flip) == (False, False)


@pytest.mark.parametrize(
    "recipe", [r for r in recipes.STUDY.values() if r.augmentation], ids=lambda r: r.name
)
def test_no_recipe_films_children_upside_down_or_mirrored(recipe):
    rows = generators.transforms(recipe.augmentation, 400, SIDE, seed()).numpy()
    assert rows[:, [0, 4]].min() > 0


# -- what came with the final network --------------------------------------------------------


def changed(**settings):
    films = np.random.default_rng(0).integers(60, 180, (64, 32, 32, 1)).astype(np.float32)
    return films, generators.augment(films, Augmentation(**settings), seed=[1, 2]).numpy()


def test_sharpness_keeps_the_mean_and_changes_detail_both_ways():
    films, seen = changed(sharpness=1.0)
    detail = seen.std(axis=(1, 2, 3)) / films.std(axis=(1, 2, 3))
    assert detail.min() < 0.8
    assert detail.max() > 1.2
    assert np.abs(seen.mean(axis=(1, 2)) - films.mean(axis=(1, 2))).max() < 4


def test_a_smooth_film_has_no_detail_to_lose():
    flat = np.full((4, 32, 32, 1), 90, np.float32)
    seen = generators.augment(flat, Augmentation(sharpness=1.0), seed=[1, 2]).numpy()
    assert seen == pytest.approx(flat, abs=1e-3)


def test_weights_come_with_their_films():
    films = np.arange(40, dtype=np.uint8)[:, None, None] * np.ones((1, 8, 8), np.uint8)
    weights = np.arange(40, dtype=np.float32)
    batches = generators.train_set(
        films, np.zeros(40), batch_size=8, epochs=1, seed=3, weights=weights
    )
    for x, _, w in batches:
        assert np.array_equal(x.numpy()[:, 0, 0, 0], w.numpy()[:, 0])


def test_letters_are_stamped_on_about_the_share_asked_for_and_change_nothing_else():
    films = np.full((64, 96, 96, 1), 80, np.float32)
    stamped = generators.augment(films, Augmentation(letters=0.5), [3, 4]).numpy()
    marked = (stamped > 81).any(axis=(1, 2, 3))
    assert 0.3 < marked.mean() < 0.7
    assert stamped.min() >= 80
    assert stamped.max() <= 255
    assert (stamped != films).mean() < 0.03
    assert stamped[marked].max(axis=(1, 2, 3)).min() > 100


def test_films_in_memory_are_prepared_without_python(pictures, labels, monkeypatch):
    """A program that ends with batches in the making would wait for ever on Python among them."""
    for name in ("numpy_function", "py_function"):
        monkeypatch.delattr(tf, name)
    made = generators.train_set(
        pictures, labels, batch_size=4, epochs=1, seed=1, augmentation=STRONG
    )
    assert len(list(made)) == 3
