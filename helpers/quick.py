"""The same arithmetic in fewer kernels: what training uses in place of some of Keras's layers."""

from __future__ import annotations

import keras
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
