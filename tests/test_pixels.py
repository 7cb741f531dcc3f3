"""Compiled changes are those of TensorFlow's own kernels, and random numbers are the same."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from helpers.data import generators, pixels
from helpers.data.generators import Augmentation

SIDE = 32


@pytest.fixture
def films():
    drawn = np.random.default_rng(1).integers(0, 256, (40, SIDE, SIDE, 2))
    return tf.constant(drawn, tf.float32)


def drawn_maps(count):
    strong = Augmentation(rotation=180, shift=0.6, zoom=1.0, mirror=True, flip=True)
    return generators.transforms(strong, tf.constant(count), SIDE, tf.constant([1, 2]))


def test_films_move_as_tensorflows_kernel_moves_them(films):
    maps = drawn_maps(40)
    wanted = tf.raw_ops.ImageProjectiveTransformV3(
        images=films,
        transforms=maps,
        output_shape=[SIDE, SIDE],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    np.testing.assert_allclose(pixels.moved(films, maps), wanted, atol=0.02)


def test_bytes_move_as_floats_do(films):
    one, maps = films[..., :1], drawn_maps(40)
    told = pixels.moved(tf.cast(one, tf.uint8), maps)
    assert told.dtype == tf.float32
    np.testing.assert_allclose(told, pixels.moved(one, maps), atol=0.02)


def test_bytes_of_two_channels_move_too(films):
    maps = drawn_maps(40)
    told = pixels.moved(tf.cast(films, tf.uint8), maps)
    np.testing.assert_array_equal(told, pixels.moved(films, maps))


def test_a_film_that_stays_where_it_is_keeps_its_bytes_to_the_last_row_and_column(films):
    stay = tf.tile(tf.constant([[1.0, 0, 0, 0, 1, 0, 0, 0]]), [40, 1])
    np.testing.assert_array_equal(
        pixels.moved(tf.cast(films[..., :1], tf.uint8), stay), films[..., :1]
    )


def start(seed):
    return tf.raw_ops.StatelessRandomGetKeyCounter(seed=tf.constant(seed))


@pytest.mark.parametrize("shape", [(100_000,), (3, 5, 5, 1), (1,), (2, 7)])
def test_normal_numbers_are_those_that_tensorflow_makes_of_the_same_seed(shape):
    told = pixels.normal(*start([3, 4]), tf.zeros(shape))
    np.testing.assert_allclose(told, tf.random.stateless_normal(shape, [3, 4]), atol=1e-5)


def in_order(key, counter, count):
    pairs = pixels.philox(key, counter, tf.cast(tf.range(count // 2), tf.uint64))
    return np.stack(pairs, axis=1).ravel()


@pytest.mark.parametrize("seed", [(0, 0), (1, 2), (-5, 2**31 - 1)])
def test_words_are_those_that_tensorflow_draws(seed):
    wanted = tf.random.stateless_uniform([1000], seed, None, None, tf.uint32)
    np.testing.assert_array_equal(in_order(*start(seed), 1000), wanted)


# The known answers that Random123 comes with.
ANSWERS = [
    ([0, 0], 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ([2**64 - 1, 2**64 - 1], 2**64 - 1, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        [0x85A308D3243F6A88, 0x0370734413198A2E],
        0x299F31D0A4093822,
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), ANSWERS)
def test_philox_gives_its_authors_answers(counter, key, words):
    told = in_order(tf.constant([key], tf.uint64), tf.constant(counter, tf.uint64), 4)
    assert " ".join(f"{word:08x}" for word in told) == words


def test_the_lower_half_of_a_full_counter_carries():
    key = tf.constant([7], tf.uint64)
    told = in_order(key, tf.constant([2**64 - 1, 5], tf.uint64), 8)
    np.testing.assert_array_equal(told[4:], in_order(key, tf.constant([0, 6], tf.uint64), 4))


def test_the_least_and_greatest_words_make_finite_numbers():
    ends = tf.constant([0, 2**23 - 1, 2**32 - 1], tf.uint64)
    first, second = tf.meshgrid(ends, ends)
    assert np.isfinite(pixels.box_muller(first, second)).all()


def test_sharpening_by_minus_one_is_the_binomial_filter():
    dot = np.zeros((1, SIDE, SIDE, 1), np.float32)
    dot[0, 9, 9] = 256
    soft = pixels.sharpened(tf.constant(dot), tf.constant([[[[-1.0]]]])).numpy()
    row = np.array([1, 4, 6, 4, 1])
    np.testing.assert_allclose(soft[0, 7:12, 7:12, 0], np.outer(row, row), atol=1e-4)
    assert soft.sum() == pytest.approx(256, rel=1e-6)


def test_tones_are_gamma_contrast_brightness_and_grain_in_this_order(films):
    one = films[:2, ..., :1]
    gamma, contrast, brightness = (
        tf.reshape(tf.constant(pair), [2, 1, 1, 1]) for pair in ([0.5, 2.0], [1.0, 0.5], [0.0, 0.1])
    )
    told = pixels.retoned(one, gamma, contrast, brightness).numpy()
    x = one.numpy()[..., 0] / 255
    first, second = x[0] ** 0.5, x[1] ** 2
    second = (second - second.mean()) * 0.5 + second.mean() + 0.1
    np.testing.assert_allclose(told[..., 0], 255 * np.clip([first, second], 0, 1), atol=1e-2)


def test_an_odd_number_of_pixels_gets_its_noise():
    grey = np.full((3, 5, 5, 1), 128, np.float32)
    assert np.ptp(generators.augment(grey, Augmentation(noise=0.2), [1, 2])) > 1
