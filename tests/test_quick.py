"""Quick layers compute what Keras's do: outputs, gradients, running statistics, weights on disk."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from helpers.models import classifiers, quick

SIDE = 32


@pytest.fixture
def films():
    return tf.constant(np.random.default_rng(1).integers(0, 256, (8, SIDE, SIDE, 1)), tf.float32)


def networks():
    """The residual network as Keras spells it, and quickened, with the same weights."""
    keras.utils.set_random_seed(1)
    plain = classifiers.build("final", SIDE)
    other = classifiers.build("final", SIDE)
    other.set_weights(plain.get_weights())
    return plain, quick.quickened(other)


def answers(model, films):
    """Output while training, gradients, and the weights after that step."""
    for layer in model.layers:
        if isinstance(layer, layers.Dropout):
            layer.rate = 0.0  # two networks draw two masks
    with tf.GradientTape() as tape:
        told = model(films, training=True)
        loss = tf.reduce_mean(tf.math.log(told))
    return told, tape.gradient(loss, model.trainable_variables), model.get_weights()


def test_a_step_of_training_is_the_same_but_for_rounding(films):
    plain, swift = (answers(model, films) for model in networks())
    np.testing.assert_allclose(swift[0], plain[0], rtol=1e-5)
    for got, wanted in zip(swift[1], plain[1], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-5)
    for got, wanted in zip(swift[2], plain[2], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)


def test_running_statistics_move_towards_the_batch_by_known_amounts():
    layer = quick.BatchNormalization(momentum=0.75)
    x = np.random.default_rng(2).normal(3, 2, (4, 3, 3, 2)).astype("float32")
    layer(x, training=True)
    np.testing.assert_allclose(layer.moving_mean, 0.25 * x.mean(axis=(0, 1, 2)), rtol=1e-5)
    expected = 0.75 + 0.25 * x.var(axis=(0, 1, 2))  # of the batch, not its unbiased estimate
    np.testing.assert_allclose(layer.moving_variance, expected, rtol=1e-5)


def test_predictions_are_those_of_keras(films):
    plain, swift = networks()
    np.testing.assert_array_equal(swift(films), plain(films))


def test_only_batch_normalisation_is_swapped_and_dropout_stays_the_models_own():
    plain = classifiers.build("final", SIDE)
    kept = {layer.name: layer for layer in plain.layers}
    for layer in quick.quickened(plain).layers:
        swapped = isinstance(layer, quick.BatchNormalization)
        assert swapped == isinstance(kept[layer.name], layers.BatchNormalization)
        assert layer is kept[layer.name] or not isinstance(layer, layers.Dropout)


def test_weights_kept_by_one_can_be_read_by_the_other(tmp_path, films):
    plain, swift = networks()
    swift(films, training=True)
    swift.save_weights(tmp_path / "kept.weights.h5")
    plain.load_weights(tmp_path / "kept.weights.h5")
    for got, wanted in zip(plain.get_weights(), swift.get_weights(), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_folded_networks_answer_as_before_without_batch_normalisation(films):
    plain, _ = networks()
    rng = np.random.default_rng(3)
    for layer in plain.layers:
        if isinstance(layer, layers.BatchNormalization):
            gamma, beta, mean, variance = (rng.uniform(0.5, 2, layer.gamma.shape) for _ in range(4))
            layer.set_weights([gamma, beta - 1, mean - 1, variance])
    plain.get_layer("pneumonia").bias.assign([0.3])
    folded = quick.folded(plain)
    assert not any(isinstance(layer, layers.BatchNormalization) for layer in folded.layers)
    np.testing.assert_allclose(folded(films), plain(films), atol=1e-5)
    before = [weight.copy() for weight in plain.get_weights()]
    for got, wanted in zip(plain.get_weights(), before, strict=True):
        np.testing.assert_array_equal(got, wanted)  # the network itself is left as it was


def test_only_a_normalisation_right_behind_a_convolution_is_folded():
    film = keras.Input((8, 8, 1))
    x = layers.BatchNormalization(name="first")(film)
    x = layers.ReLU()(layers.Conv2D(3, 3, name="biased")(x))
    x = layers.BatchNormalization(name="behind_relu")(x)
    x = layers.BatchNormalization(name="behind_conv")(layers.Conv2D(2, 3)(x))
    model = keras.Model(film, layers.GlobalAveragePooling2D()(x))
    model(np.random.default_rng(1).normal(2, 3, (16, 8, 8, 1)), training=True)
    folded = quick.folded(model)
    kept = [one.name for one in folded.layers if isinstance(one, layers.BatchNormalization)]
    assert kept == ["first", "behind_relu"]
    films = np.random.default_rng(2).normal(size=(4, 8, 8, 1)).astype("float32")
    np.testing.assert_allclose(folded(films), model(films), atol=1e-5)
