"""Compiled changes are those of TensorFlow's own kernels, and random numbers are the same."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from helpers import generators, pixels
from helpers.generators import Augmentation

SIDE = 32


@pytest.fixture
def films():
    drawn = np.random.default_rng(1).integers(0, 256, (40, SIDE, SIDE, 2))
    return tf.constant(drawn, tf.float32)


def test_films_move_as_tensorflows_kernel_moves_them(films):
    strong = Augmentation(rotation=180, shift=0.6, zoom=1.0, mirror=True, flip=True)
    maps = generators.transforms(strong, tf.constant(40), SIDE, tf.constant([1, 2]))
    wanted = tf.raw_ops.ImageProjectiveTransformV3(
        images=films,
        transforms=maps,
        output_shape=[SIDE, SIDE],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    np.testing.assert_allclose(pixels.moved(films, maps), wanted, atol=0.02)


def test_normal_numbers_are_those_that_tensorflow_makes_of_the_same_seed():
    words = tf.random.stateless_uniform([100_000], [3, 4], None, None, tf.int32)
    wanted = tf.random.stateless_normal([100_000], [3, 4])
    np.testing.assert_allclose(pixels.normal(words), wanted, atol=1e-5)


def test_the_least_and_greatest_words_make_finite_numbers():
    words = tf.constant([0, 0, -1, -1, 0x7FFFFF, 0, 0, 0x7FFFFF], tf.int32)
    assert np.isfinite(pixels.normal(words)).all()


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
    told = pixels.retoned(one, gamma, contrast, brightness, tf.zeros([1, 1, 1, 1])).numpy()
    x = one.numpy()[..., 0] / 255
    first, second = x[0] ** 0.5, x[1] ** 2
    second = (second - second.mean()) * 0.5 + second.mean() + 0.1
    np.testing.assert_allclose(told[..., 0], 255 * np.clip([first, second], 0, 1), atol=1e-2)


def test_an_odd_number_of_pixels_gets_its_noise():
    grey = np.full((3, 5, 5, 1), 128, np.float32)
    assert np.ptp(generators.augment(grey, Augmentation(noise=0.2), [1, 2])) > 1
