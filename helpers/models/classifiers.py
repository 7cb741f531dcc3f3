"""One builder a network; all take (side, side, 1) intensities 0..255 and give a probability.

Those of the first study, dense to CNN 5, are written out whole, to be read side by side.
"""

import hashlib
import inspect
import json
from collections.abc import Callable

import keras
from keras import layers
from sklearn.dummy import DummyClassifier


def dummy(side: int) -> DummyClassifier:
    """Scikit-learn's classifier that calls every film by the most frequent class."""
    return DummyClassifier(strategy="most_frequent")


def dense(side: int) -> keras.Model:
    """Fully connected network of 20, 7 and 5 units; sees pixels, not neighbourhoods."""
    film = keras.Input(shape=(side, side, 1), name="film")
    x = layers.Rescaling(scale=1 / 255)(film)
    x = layers.Flatten()(x)
    x = layers.Dense(units=20, activation="relu")(x)
    x = layers.Dense(units=7, activation="relu")(x)
    x = layers.Dense(units=5, activation="relu")(x)
    sick = layers.Dense(units=1, activation="sigmoid", name="pneumonia")(x)
    return keras.Model(inputs=film, outputs=sick, name="dense")


def cnn_1(side: int) -> keras.Model:
    """Two convolution blocks: the first network that sees neighbourhoods."""
    film = keras.Input(shape=(side, side, 1), name="film")
    x = layers.Rescaling(scale=1 / 255)(film)
    x = layers.Conv2D(filters=32, kernel_size=3, activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(filters=64, kernel_size=3, activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(units=64, activation="relu")(x)
    sick = layers.Dense(units=1, activation="sigmoid", name="pneumonia")(x)
    return keras.Model(inputs=film, outputs=sick, name="cnn_1")


def cnn_2(side: int) -> keras.Model:
    """CNN 1 with dropout after each block and after the dense layer."""
    film = keras.Input(shape=(side, side, 1), name="film")
    x = layers.Rescaling(scale=1 / 255)(film)
    x = layers.Conv2D(filters=32, kernel_size=3, activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Dropout(rate=0.25)(x)
    x = layers.Conv2D(filters=64, kernel_size=3, activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Dropout(rate=0.25)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(units=64, activation="relu")(x)
    x = layers.Dropout(rate=0.25)(x)
    sick = layers.Dense(units=1, activation="sigmoid", name="pneumonia")(x)
    return keras.Model(inputs=film, outputs=sick, name="cnn_2")


def cnn_3(side: int) -> keras.Model:
    """Three blocks: deeper, yet with a third of CNN 1's parameters. Pooling keeps odd borders."""
    film = keras.Input(shape=(side, side, 1), name="film")
    x = layers.Rescaling(scale=1 / 255)(film)
    x = layers.Conv2D(filters=32, kernel_size=3)(x)
    x = layers.ReLU()(x)
    x = layers.MaxPooling2D(padding="same")(x)
    x = layers.Conv2D(filters=64, kernel_size=3)(x)
    x = layers.ReLU()(x)
    x = layers.MaxPooling2D(padding="same")(x)
    x = layers.Dropout(rate=0.25)(x)
    x = layers.Conv2D(filters=64, kernel_size=3)(x)
    x = layers.ReLU()(x)
    x = layers.MaxPooling2D(padding="same")(x)
    x = layers.Dropout(rate=0.25)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(units=64)(x)
    x = layers.ReLU()(x)
    x = layers.Dropout(rate=0.25)(x)
    sick = layers.Dense(units=1, activation="sigmoid", name="pneumonia")(x)
    return keras.Model(inputs=film, outputs=sick, name="cnn_3")


def cnn_4(side: int) -> keras.Model:
    """CNN 3 with dropout after the first block too; its recipe adds augmentation."""
    film = keras.Input(shape=(side, side, 1), name="film")
    x = layers.Rescaling(scale=1 / 255)(film)
    x = layers.Conv2D(filters=32, kernel_size=3)(x)
    x = layers.ReLU()(x)
    x = layers.MaxPooling2D(padding="same")(x)
    x = layers.Dropout(rate=0.25)(x)
    x = layers.Conv2D(filters=64, kernel_size=3)(x)
    x = layers.ReLU()(x)
    x = layers.MaxPooling2D(padding="same")(x)
    x = layers.Dropout(rate=0.25)(x)
    x = layers.Conv2D(filters=64, kernel_size=3)(x)
    x = layers.ReLU()(x)
    x = layers.MaxPooling2D(padding="same")(x)
    x = layers.Dropout(rate=0.25)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(units=64)(x)
    x = layers.ReLU()(x)
    x = layers.Dropout(rate=0.25)(x)
    sick = layers.Dense(units=1, activation="sigmoid", name="pneumonia")(x)
    return keras.Model(inputs=film, outputs=sick, name="cnn_4")


def cnn_5(side: int) -> keras.Model:
    """CNN 4 with LeakyReLU, of the slope .3 that was Keras's default when it was first made."""
    film = keras.Input(shape=(side, side, 1), name="film")
    x = layers.Rescaling(scale=1 / 255)(film)
    x = layers.Conv2D(filters=32, kernel_size=3)(x)
    x = layers.LeakyReLU(negative_slope=0.3)(x)
    x = layers.MaxPooling2D(padding="same")(x)
    x = layers.Dropout(rate=0.25)(x)
    x = layers.Conv2D(filters=64, kernel_size=3)(x)
    x = layers.LeakyReLU(negative_slope=0.3)(x)
    x = layers.MaxPooling2D(padding="same")(x)
    x = layers.Dropout(rate=0.25)(x)
    x = layers.Conv2D(filters=64, kernel_size=3)(x)
    x = layers.LeakyReLU(negative_slope=0.3)(x)
    x = layers.MaxPooling2D(padding="same")(x)
    x = layers.Dropout(rate=0.25)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(units=64)(x)
    x = layers.LeakyReLU(negative_slope=0.3)(x)
    x = layers.Dropout(rate=0.25)(x)
    sick = layers.Dense(units=1, activation="sigmoid", name="pneumonia")(x)
    return keras.Model(inputs=film, outputs=sick, name="cnn_5")


def convolve(
    x: keras.KerasTensor, filters: int, size: int = 3, strides: int = 1, relu: bool = True
) -> keras.KerasTensor:
    """Convolution without bias, then batch normalisation, which brings its own, and ReLU.

    Momentum .9: over the hundred steps of an epoch Keras's .99 would lag behind the weights.
    """
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x) if relu else x


def _residual(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    """Two 3 x 3 convolutions beside a shortcut, halving the side (He et al. 2016)."""
    shortcut = layers.AveragePooling2D(pool_size=2, padding="same")(x)
    shortcut = convolve(shortcut, filters, size=1, relu=False)
    x = convolve(convolve(x, filters, strides=2), filters, relu=False)
    return layers.ReLU()(layers.Add()([x, shortcut]))


def final(side: int) -> keras.Model:
    """Compact residual network: stem of stride 2, then blocks of 24, 48, 96 and 192 filters.

    Global average pooling leaves no place for position-bound weights, so it has fewer
    parameters than CNN 1 though it is nine convolutions deep.
    """
    film = keras.Input(shape=(side, side, 1), name="film")
    x = layers.Rescaling(scale=1 / 255)(film)
    x = convolve(x, filters=24, size=5, strides=2)
    for filters in (24, 48, 96, 192):
        x = _residual(x, filters)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(rate=0.5)(x)
    sick = layers.Dense(units=1, activation="sigmoid", name="pneumonia")(x)
    return keras.Model(inputs=film, outputs=sick, name="final")


BUILDERS: dict[str, Callable[[int], keras.Model | DummyClassifier]] = {
    builder.__name__: builder
    for builder in (dummy, dense, cnn_1, cnn_2, cnn_3, cnn_4, cnn_5, final)
}


def build(name: str, side: int) -> keras.Model | DummyClassifier:
    """Build the network ``name`` for films of ``side`` pixels; ValueError if there is none."""
    if name not in BUILDERS:
        raise ValueError(f"no network {name!r}; there are {', '.join(BUILDERS)}")
    return BUILDERS[name](side)


def source(name: str) -> str:
    """Python source of the network ``name`` with its own blocks, as Markdown shows it."""
    parts = (convolve, _residual, final) if name == "final" else (BUILDERS[name],)
    return "```python\n{}```".format("\n\n".join(map(inspect.getsource, parts)))


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
    described = [
        [type(layer).__name__, {k: v for k, v in layer.get_config().items() if k in _DECISIVE}]
        for layer in getattr(network, "layers", [])
    ]
    text = json.dumps([name, side, described], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
