"""Ways to feed a network while it trains, and how many films a second each comes to."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import math
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers
from PIL import Image

from helpers import config
from helpers.data import generators
from helpers.data.augmentation import Augmentation
from helpers.training import fit
from helpers.training.recipes import Recipe

# Qualities to choose a JPEG file's length by.
QUALITIES = (60, 75, 85, 90, 95, 98)


def linked(films: pd.DataFrame, root: Path, count: int) -> Path:
    """``count`` films as a folder a class, by links to ``path``; over again if they are too few."""
    for number in range(count):
        film = films.iloc[number % len(films)]
        source = Path(film["path"]).resolve()
        place = root / film["label"] / f"{number:05d}{source.suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(source)
    return root


def enlarged(films: pd.DataFrame, root: Path) -> pd.DataFrame:
    """The films as JPEG files of the originals' mean size: the table with their paths.

    Made from small copies, for those who have no others: as many pixels to decode as in a mean
    original of the class, and as near to its bytes as the quality of a JPEG file goes.
    """
    root.mkdir(parents=True, exist_ok=True)
    paths = []
    for label, path in zip(films["label"], films["path"], strict=True):
        width, height, size = config.ORIGINALS[label]
        with Image.open(path) as copy:
            large = copy.convert("L").resize((width, height), Image.Resampling.BICUBIC)
        paths.append(str(root / Path(path).name))
        Path(paths[-1]).write_bytes(_near(large, size))
    return films.assign(path=paths)


def _near(image: Image.Image, size: int) -> bytes:
    """The image as JPEG, of the quality whose length is nearest to ``size``."""
    made = []
    for quality in QUALITIES:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        made.append(file.getvalue())
    return min(made, key=lambda file: abs(len(file) - size))


def network(recipe: Recipe) -> keras.Model:
    """The recipe's network, compiled for training as the study trains it.

    Without what acts only at the end of a training, such as an average of weights.
    """
    return fit.compiled(dataclasses.replace(recipe, ema=0.0), 1000, seed=1)


def image_data_generator(recipe: Recipe, root: Path) -> Iterable[Any]:
    """The first study's way: Keras's old generator, a film at a time, from the files."""
    change = recipe.augmentation or Augmentation()
    bright = (1 - change.brightness, 1 + change.brightness) if change.brightness else None
    maker = tf.keras.preprocessing.image.ImageDataGenerator(
        rotation_range=change.rotation,
        width_shift_range=change.shift,
        height_shift_range=change.shift,
        zoom_range=change.zoom,
        brightness_range=bright,
    )
    with contextlib.redirect_stdout(io.StringIO()):  # it tells how many it found
        return maker.flow_from_directory(
            root,
            target_size=(recipe.side, recipe.side),
            color_mode="grayscale",
            class_mode="binary",
            batch_size=recipe.batch_size,
            seed=1,
        )


def _keras_changes(change: Augmentation) -> list[layers.Layer]:
    """Keras's layers for what an augmentation does, as far as there are any."""
    moves = [
        layers.RandomRotation(change.rotation / 360, fill_mode="constant"),
        layers.RandomTranslation(change.shift, change.shift, fill_mode="constant"),
        layers.RandomZoom(change.zoom, fill_mode="constant"),
    ]
    tones = [
        layers.RandomBrightness(change.brightness),
        layers.RandomContrast(change.contrast),
        layers.Rescaling(1 / 255),
        layers.GaussianNoise(change.noise),
        layers.Rescaling(255),
    ]
    return moves + tones if change.tones else moves


def image_dataset(recipe: Recipe, root: Path) -> tf.data.Dataset:
    """Keras 3's way: files through tf.data, then Keras's augmentation layers."""
    changes = _keras_changes(recipe.augmentation or Augmentation())

    def changed(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        for change in changes:
            x = change(x, training=True)
        return tf.ensure_shape(x, (None, recipe.side, recipe.side, 1)), y

    films = keras.utils.image_dataset_from_directory(
        root,
        label_mode="binary",
        color_mode="grayscale",
        batch_size=recipe.batch_size,
        image_size=(recipe.side, recipe.side),
        seed=1,
        verbose=False,
    )
    moved = films.map(changed, num_parallel_calls=tf.data.AUTOTUNE)
    return moved.repeat().prefetch(tf.data.AUTOTUNE)


def ours(recipe: Recipe, pictures: np.ndarray, labels: np.ndarray) -> tf.data.Dataset:
    """This project's way: decoded once, changed in batches."""
    return generators.train_set(
        pictures,
        labels,
        batch_size=recipe.batch_size,
        epochs=1000,
        seed=1,
        augmentation=recipe.augmentation,
    )


def constant(recipe: Recipe) -> tf.data.Dataset:
    """One batch in memory, again and again: the ceiling of any way."""
    drawn = np.random.default_rng(1).integers(0, 256, (recipe.batch_size, recipe.side, recipe.side))
    x = tf.constant(drawn[..., np.newaxis], tf.float32)
    y = tf.constant(np.arange(recipe.batch_size)[:, np.newaxis] % 2, tf.float32)
    return generators.steady(tf.data.Dataset.from_tensors((x, y)).repeat())


class Stopwatch(keras.callbacks.Callback):
    """The moment each step ended."""

    def __init__(self) -> None:
        super().__init__()
        self.moments: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.moments.append(time.perf_counter())


def rate(
    model: keras.Model, batches: Iterable[Any], batch_size: int, steps: int, epochs: int
) -> float:
    """Films a second over ``epochs`` of ``steps`` steps of ``fit``, after one to warm up."""
    watch = Stopwatch()
    model.fit(
        batches,
        steps_per_epoch=steps,
        epochs=1 + epochs,
        callbacks=[watch],
        shuffle=False,
        verbose=0,
    )
    return batch_size * steps * epochs / (watch.moments[-1] - watch.moments[steps - 1])


# -- the processor's limit ----------------------------------------------------------------------


def multiply_adds(model: keras.Model) -> int:
    """Multiplications with addition that one film costs in convolutions and dense layers."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, (layers.Conv2D, layers.Dense)):
            places = math.prod(layer.output.shape[1:-1])
            total += places * math.prod(layer.kernel.shape)
    return total


def matrix_rate(side: int = 2048, times: int = 5) -> float:
    """Multiply-adds a second of this machine's matrix product, float32, the best of ``times``."""
    a = tf.random.stateless_uniform((side, side), seed=(1, 2))
    tf.matmul(a, a).numpy()
    best = math.inf
    for _ in range(times):
        start = time.perf_counter()
        tf.matmul(a, a).numpy()
        best = min(best, time.perf_counter() - start)
    return side**3 / best


# Kernels by what they do, the first that fits.
KINDS = {
    "convolutions": r"Conv2D$",
    "gradients of filters": r"Conv2DBackpropFilter",
    "gradients of inputs": r"Conv2DBackpropInput",
    "batch normalisation": r"BatchNorm",
    "random numbers of dropout": r"Random",
    "pooling": r"Pool",
    "dense layers": r"MatMul$",
}


def where_time_goes(recipe: Recipe, steps: int = 20) -> dict[str, float]:
    """Milliseconds a step spends in kernels of each kind, by TensorFlow's profiler.

    Kernels that run side by side count each, so the sum may exceed the step. "step" is its length.
    """
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    model, batches = network(recipe), constant(recipe)
    model.fit(batches, steps_per_epoch=steps, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        start = time.perf_counter()
        model.fit(batches, steps_per_epoch=steps, verbose=0)
        length = time.perf_counter() - start
        tf.profiler.experimental.stop()
        traced = xplane_pb2.XSpace()
        traced.ParseFromString(next(Path(folder).rglob("*.xplane.pb")).read_bytes())
    spent: Counter[str] = Counter()
    for plane in traced.planes:
        names = {key: event.name for key, event in plane.event_metadata.items()}
        for event in (event for line in plane.lines for event in line.events):
            if kind := _kind(names[event.metadata_id]):
                spent[kind] += event.duration_ps / 1e9 / steps
    return {"step": 1000 * length / steps, **dict(spent.most_common())}


def _kind(event: str) -> str | None:
    """What an event of the profiler does; None where it is no kernel of the training step."""
    if not event.startswith("StatefulPartitionedCall/"):
        return None
    kernel = event.rpartition(":")[2].replace("_MklNative", "").replace("Fused", "")
    named = (kind for kind, pattern in KINDS.items() if re.search(pattern, kernel))
    return next(named, "all else")
