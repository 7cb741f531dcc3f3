"""Batches are a function of seed and step; augmentation moves films as it says, and only so."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from helpers.data import generators
from helpers.data.augmentation import Augmentation

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


# -- the order of films -----------------------------------------------------------------------


def test_the_same_seed_gives_the_same_batches(batches):
    for one, two in zip(batches(augmentation=STRONG), batches(augmentation=STRONG), strict=True):
        np.testing.assert_array_equal(one, two)


def test_another_seed_gives_another_order(batches):
    assert not np.array_equal(numbers(batches(seed=1)[0]), numbers(batches(seed=2)[0]))


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


# -- weights, and no Python ---------------------------------------------------------------------


def test_weights_come_with_their_films():
    films = np.arange(40, dtype=np.uint8)[:, None, None] * np.ones((1, 8, 8), np.uint8)
    weights = np.arange(40, dtype=np.float32)
    batches = generators.train_set(
        films, np.zeros(40), batch_size=8, epochs=1, seed=3, weights=weights
    )
    for x, _, w in batches:
        assert np.array_equal(x.numpy()[:, 0, 0, 0], w.numpy()[:, 0])


def test_films_in_memory_are_prepared_without_python(pictures, labels, monkeypatch):
    """A program that ends with batches in the making would wait for ever on Python among them."""
    for name in ("numpy_function", "py_function"):
        monkeypatch.delattr(tf, name)
    made = generators.train_set(
        pictures, labels, batch_size=4, epochs=1, seed=1, augmentation=STRONG
    )
    assert len(list(made)) == 3
