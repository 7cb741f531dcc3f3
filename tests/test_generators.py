"""Batches are a function of seed and step, hold the films they should, and need no Python."""

import numpy as np
import pytest
import tensorflow as tf

from helpers.data import generators
from helpers.data.augmentation import Augmentation

COUNT, SIDE = 10, 16
STRONG = Augmentation(
    rotation=40, shift=0.3, mirror=True, brightness=0.5, gamma=1, noise=0.3, sharpness=1.0
)


@pytest.fixture(scope="module")
def pictures():
    """Films that differ: the first pixel is the film's number."""
    drawn = np.random.default_rng(1).integers(0, 256, (COUNT, SIDE, SIDE), dtype=np.uint8)
    drawn[:, 0, 0] = np.arange(COUNT)
    return drawn


LABELS = np.arange(COUNT) % 2


@pytest.fixture(scope="module")
def batches(pictures):
    """Collect training batches as (steps, batch, ...) arrays of pictures and labels."""

    def collect(threads=None, **settings):
        settings = {"batch_size": 4, "epochs": 2, "seed": 1, **settings}
        made = generators.train_set(pictures, LABELS, **settings)
        if threads:
            options = tf.data.Options()
            options.threading.private_threadpool_size = threads
            made = made.with_options(options)
        return tuple(np.stack(kind) for kind in zip(*made.as_numpy_iterator(), strict=True))

    return collect


def numbers(x):
    """Which films batches hold."""
    return x[..., 0, 0, 0].astype(int)


@pytest.mark.parametrize("threads", [None, 1, 7])
def test_the_same_seed_gives_the_same_batches_on_any_number_of_threads(batches, threads):
    some, usual = batches(threads, augmentation=STRONG), batches(augmentation=STRONG)
    assert all(map(np.array_equal, some, usual))


def test_seeds_and_epochs_differ_in_their_order(batches):
    first, second = numbers(batches()[0]).reshape(2, -1)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, numbers(batches(seed=2, epochs=1)[0]).ravel())


@pytest.mark.parametrize("batch_size", [1, 3, 4, 10, 16])
def test_every_epoch_shows_every_film_and_only_the_last_batch_is_filled(batches, batch_size):
    for shown in numbers(batches(batch_size=batch_size)[0]).reshape(2, -1):
        assert sorted(shown[:COUNT]) == list(range(COUNT))
        assert list(shown[COUNT:]) == list(shown[: len(shown) - COUNT])


def test_changes_are_drawn_anew_in_each_epoch():
    grey, brighter = np.full((COUNT, SIDE, SIDE), 128, np.uint8), Augmentation(brightness=0.2)
    settings = {"batch_size": COUNT, "epochs": 2, "seed": 1, "augmentation": brighter}
    made = generators.train_set(grey, LABELS, **settings)
    first, second = (x[:, 0, 0, 0] for x, _ in made.as_numpy_iterator())
    assert not np.isclose(first, second).any()


@pytest.mark.parametrize("first", [1, 2])
def test_a_later_first_epoch_goes_on_where_the_whole_stream_is(batches, first):
    whole = batches(epochs=3, augmentation=STRONG)
    rest = batches(epochs=3, augmentation=STRONG, first_epoch=first)
    assert all(map(np.array_equal, (kind[3 * first :] for kind in whole), rest))


@pytest.mark.parametrize("augmentation", [None, STRONG], ids=["plain", "augmented"])
def test_training_batches_have_one_shape_and_type_and_films_their_labels(
    batches, pictures, augmentation
):
    x, y = batches(augmentation=augmentation)
    assert (x.shape, x.dtype) == ((6, 4, SIDE, SIDE, 1), np.float32)
    assert (y.shape, y.dtype) == ((6, 4, 1), np.float32)
    if augmentation is None:
        np.testing.assert_array_equal(x[..., 0], pictures[numbers(x)])
        np.testing.assert_array_equal(y[..., 0], LABELS[numbers(x)])


@pytest.mark.parametrize(("count", "size", "steps"), [(10, 4, 3), (8, 4, 2), (1, 4, 1)])
def test_an_epoch_has_the_batches_that_show_all_films(count, size, steps):
    assert generators.steps_per_epoch(count, size) == steps


def test_other_films_come_in_order_and_unchanged_test_films_without_labels(pictures):
    made = generators.val_set(pictures, LABELS, batch_size=4)
    x, y = (np.concatenate(kind) for kind in zip(*made.as_numpy_iterator(), strict=True))
    np.testing.assert_array_equal(x[..., 0], pictures)
    np.testing.assert_array_equal(y[:, 0], LABELS)
    assert (x.dtype, y.dtype) == (np.float32, np.float32)
    made = list(generators.test_set(pictures, batch_size=4).as_numpy_iterator())
    assert [len(batch) for batch in made] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(made), x)


def test_films_are_prepared_without_python(batches, monkeypatch):
    """A program that ends with batches in the making would wait for ever on Python among them."""
    for name in ("numpy_function", "py_function"):
        monkeypatch.delattr(tf, name)
    assert len(batches(epochs=1, augmentation=STRONG)[0]) == 3


MAKERS = {
    "train": lambda x, y: generators.train_set(x, y, batch_size=4, epochs=1, seed=1),
    "val": lambda x, y: generators.val_set(x, y, batch_size=4),
    "test": lambda x, y: generators.test_set(x, batch_size=4),
}


@pytest.mark.parametrize("name", MAKERS)
def test_no_films_or_another_number_of_labels_make_no_batches(pictures, name):
    with pytest.raises(ValueError, match="no films"):
        MAKERS[name](pictures[:0], LABELS[:0])
    if name != "test":  # prediction knows no labels
        with pytest.raises(ValueError, match="10 films but 9 labels"):
            MAKERS[name](pictures, LABELS[1:])
