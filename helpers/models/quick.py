"""The same arithmetic in fewer kernels: what training uses in place of some of Keras's layers."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers


class BatchNormalization(layers.BatchNormalization):
    """Batch normalisation in TensorFlow's single kernel while training, otherwise Keras's.

    Keras 3 spells the mean, the variance and the scaling out, each with a gradient of its own: a
    third of a step of the residual network. The kernel gives the same numbers but for rounding
    (https://www.tensorflow.org/api_docs/python/tf/raw_ops/FusedBatchNormV3); its variance is the
    unbiased one, which is turned back here. For pictures (n, height, width, channels).

    It bears its parent's name, by which Keras finds a layer's weights in a file.
    """

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        if not (training and self.trainable and mask is None):
            return super().call(inputs, training=training, mask=mask)
        scaled, mean, unbiased, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        )
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), unbiased.dtype)
        variance = unbiased * (count - 1) / count
        for kept, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            kept.assign(kept * self.momentum + new * (1 - self.momentum))
        return scaled


def quickened(model: keras.Model) -> keras.Model:
    """``model`` with quick layers where there are any; weights are shared or the same.

    The other layers are the model's own, so that dropout draws what it would have drawn.
    """

    def swapped(layer: layers.Layer) -> layers.Layer:
        if type(layer) is not layers.BatchNormalization:
            return layer
        return BatchNormalization.from_config(layer.get_config())

    quick = keras.models.clone_model(model, clone_function=swapped)
    quick.set_weights(model.get_weights())
    return quick


class Nothing(layers.Layer):
    """Gives what it gets, in the place of a batch normalisation, called as that was."""

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        return inputs


def folded(model: keras.Model) -> keras.Model:
    """``model`` for predictions: batch normalisation taken into the convolution before it.

    At prediction it is a factor and a shift of each filter, so the convolution's own weights and
    bias can hold them: the same numbers but for rounding, in fewer kernels.
    """
    scaled = {
        layer.input._keras_history.operation.name: layer
        for layer in model.layers
        if isinstance(layer, layers.BatchNormalization)
        and isinstance(layer.input._keras_history.operation, layers.Conv2D)
    }
    gone = {layer.name for layer in scaled.values()}

    def swapped(layer: layers.Layer) -> layers.Layer:
        if layer.name in scaled:
            return layers.Conv2D.from_config({**layer.get_config(), "use_bias": True})
        if layer.name in gone:
            return Nothing(name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    quick = keras.models.clone_model(model, clone_function=swapped)
    for layer in model.layers:
        if layer.name in scaled:
            quick.get_layer(layer.name).set_weights(_scaled(layer, scaled[layer.name]))
        elif layer.weights and layer.name not in gone:
            quick.get_layer(layer.name).set_weights(layer.get_weights())
    return quick


def _scaled(convolution: layers.Conv2D, norm: layers.BatchNormalization) -> list[np.ndarray]:
    """Kernel and bias that do what the convolution and the normalisation after it do."""
    kernel, *bias = convolution.get_weights()
    factor = np.asarray(norm.gamma) / np.sqrt(np.asarray(norm.moving_variance) + norm.epsilon)
    start = bias[0] if bias else np.zeros(len(factor), kernel.dtype)
    shift = (start - np.asarray(norm.moving_mean)) * factor + np.asarray(norm.beta)
    return [kernel * factor, shift]
