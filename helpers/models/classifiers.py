"""One builder a network; all take (side, side, 1) intensities 0..255 and give a probability."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable

import keras
import pandas as pd
from keras import layers
from sklearn.dummy import DummyClassifier

Activation = Callable[[], layers.Layer]


def _input(side: int) -> tuple[keras.Input, keras.KerasTensor]:
    film = keras.Input(shape=(side, side, 1), name="film")
    return film, layers.Rescaling(scale=1 / 255)(film)


def _output(features: keras.KerasTensor) -> keras.KerasTensor:
    return layers.Dense(units=1, activation="sigmoid", name="pneumonia")(features)


def dummy(side: int) -> DummyClassifier:
    """Scikit-learn's classifier that calls every film by the most frequent class."""
    return DummyClassifier(strategy="most_frequent")


def dense(side: int) -> keras.Model:
    """Fully connected network of 20, 7 and 5 units; sees pixels, not neighbourhoods."""
    film, x = _input(side)
    x = layers.Flatten()(x)
    for units in (20, 7, 5):
        x = layers.Dense(units=units, activation="relu")(x)
    return keras.Model(inputs=film, outputs=_output(x), name="dense")


def _two_blocks(side: int, dropout: float, name: str) -> keras.Model:
    """32 and 64 filters, each block halved by pooling, then 64 units: CNN 1 and CNN 2."""
    film, x = _input(side)
    for filters in (32, 64):
        x = layers.Conv2D(filters=filters, kernel_size=3, activation="relu")(x)
        x = layers.MaxPooling2D()(x)
        x = layers.Dropout(rate=dropout)(x) if dropout else x
    x = layers.Flatten()(x)
    x = layers.Dense(units=64, activation="relu")(x)
    x = layers.Dropout(rate=dropout)(x) if dropout else x
    return keras.Model(inputs=film, outputs=_output(x), name=name)


def cnn_1(side: int) -> keras.Model:
    """Two convolution blocks: the first network that sees neighbourhoods."""
    return _two_blocks(side, dropout=0.0, name="cnn_1")


def cnn_2(side: int) -> keras.Model:
    """CNN 1 with dropout .25 after each block and after the dense layer."""
    return _two_blocks(side, dropout=0.25, name="cnn_2")


def _three_blocks(side: int, first_dropout: bool, activation: Activation, name: str) -> keras.Model:
    """32, 64, 64 filters with pooling that keeps odd borders: CNN 3, CNN 4 and CNN 5."""
    film, x = _input(side)
    for filters, dropout in ((32, first_dropout), (64, True), (64, True)):
        x = layers.Conv2D(filters=filters, kernel_size=3)(x)
        x = activation()(x)
        x = layers.MaxPooling2D(padding="same")(x)
        x = layers.Dropout(rate=0.25)(x) if dropout else x
    x = layers.Flatten()(x)
    x = activation()(layers.Dense(units=64)(x))
    x = layers.Dropout(rate=0.25)(x)
    return keras.Model(inputs=film, outputs=_output(x), name=name)


def cnn_3(side: int) -> keras.Model:
    """Three blocks: deeper, yet with a third of CNN 1's parameters."""
    return _three_blocks(side, first_dropout=False, activation=layers.ReLU, name="cnn_3")


def cnn_4(side: int) -> keras.Model:
    """CNN 3 with dropout after the first block too; its recipe adds augmentation."""
    return _three_blocks(side, first_dropout=True, activation=layers.ReLU, name="cnn_4")


def leaky() -> layers.Layer:
    """LeakyReLU with the slope .3 that was Keras's default when the first study was made."""
    return layers.LeakyReLU(negative_slope=0.3)


def cnn_5(side: int) -> keras.Model:
    """CNN 4 with LeakyReLU: units that fall silent keep a gradient."""
    return _three_blocks(side, first_dropout=True, activation=leaky, name="cnn_5")


def _convolve(x: keras.KerasTensor, filters: int, size: int, strides: int = 1) -> keras.KerasTensor:
    """Convolution without bias, then batch normalisation, which brings its own.

    Momentum .9: an epoch has little more than a hundred steps, over which Keras's default of
    .99 would lag behind the weights.
    """
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
    return layers.BatchNormalization(momentum=0.9)(x)


def _residual(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    """Two 3 x 3 convolutions beside a shortcut, halving the side (He et al. 2016)."""
    shortcut = _convolve(layers.AveragePooling2D(pool_size=2, padding="same")(x), filters, size=1)
    x = layers.ReLU()(_convolve(x, filters, size=3, strides=2))
    x = _convolve(x, filters, size=3)
    return layers.ReLU()(layers.Add()([x, shortcut]))


def final(side: int) -> keras.Model:
    """Compact residual network: stem of stride 2, then blocks of 24, 48, 96 and 192 filters.

    Global average pooling leaves no place for position-bound weights, so it has fewer
    parameters than CNN 1 though it is nine convolutions deep.
    """
    film, x = _input(side)
    x = layers.ReLU()(_convolve(x, filters=24, size=5, strides=2))
    for filters in (24, 48, 96, 192):
        x = _residual(x, filters)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(rate=0.5)(x)
    return keras.Model(inputs=film, outputs=_output(x), name="final")


def mobilenet(side: int) -> keras.Model:
    """MobileNetV2 (Sandler et al. 2018) with ImageNet weights, a new output; for trials.

    The weights are read from the file that ``STUDY_IMAGENET`` names, else Keras fetches them.
    """
    film = keras.Input(shape=(side, side, 1), name="film")
    x = layers.Rescaling(scale=1 / 127.5, offset=-1.0)(layers.Concatenate()([film] * 3))
    weights = os.environ.get("STUDY_IMAGENET") or "imagenet"
    trained = keras.applications.MobileNetV2(weights=weights)
    body = keras.applications.MobileNetV2(input_tensor=x, include_top=False, weights=None)
    for layer in body.layers:
        if layer.weights:
            layer.set_weights(trained.get_layer(layer.name).get_weights())
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9  # with .999 a few hundred steps leave the photographs' statistics
    x = layers.GlobalAveragePooling2D()(body.output)
    x = layers.Dropout(rate=0.5)(x)
    return keras.Model(inputs=film, outputs=_output(x), name="mobilenet")


BUILDERS: dict[str, Callable[[int], keras.Model | DummyClassifier]] = {
    builder.__name__: builder
    for builder in (dummy, dense, cnn_1, cnn_2, cnn_3, cnn_4, cnn_5, final, mobilenet)
}


def build(name: str, side: int) -> keras.Model | DummyClassifier:
    """Build the network ``name`` for films of ``side`` pixels.

    Raises:
        ValueError: there is no network of that name.
    """
    if name not in BUILDERS:
        raise ValueError(f"no network {name!r}; there are {', '.join(BUILDERS)}")
    return BUILDERS[name](side)


def summary(model: keras.Model, kinds: tuple[str, ...] = ()) -> pd.DataFrame:
    """Layers of a network in order: kind, shape of the output, parameters; with their total.

    ``kinds`` restricts the rows (not the total) to these classes of layers.
    """
    rows = [
        {
            "layer": layer.__class__.__name__,
            "output": " × ".join(str(side) for side in layer.output.shape[1:]),
            "parameters": layer.count_params(),
        }
        for layer in model.layers
        if not kinds or layer.__class__.__name__ in kinds
    ]
    total = {"layer": "whole network", "output": "", "parameters": model.count_params()}
    return pd.DataFrame([*rows, total]).set_index("layer")


# What makes two layers of the same class compute different things.
_DECISIVE = (
    *("filters", "kernel_size", "strides", "padding", "pool_size", "units", "activation"),
    *("rate", "negative_slope", "momentum", "epsilon", "use_bias", "scale"),
)


def fingerprint(name: str, side: int) -> str:
    """Digest of the network's definition (layers in order, what decides them), 16 digits.

    Changes when a builder changes, so that a record of the network as it was is noticed.
    """
    network = build(name, side)
    layers_told = [
        [layer.__class__.__name__, {k: v for k, v in layer.get_config().items() if k in _DECISIVE}]
        for layer in getattr(network, "layers", [])
    ]
    text = json.dumps([name, side, layers_told], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
