"""How many films a second does a network learn from, by the way it is fed?

``python -m benchmarks.feeding``: ours, where films were decoded once and are changed in batches;
the first study's generator and Keras's own way, from JPEG files; and the ceiling of any way, one
batch in memory. Each is run in turn with ours. Times are the machine's; ratios carry over.
"""

import argparse
import contextlib
import functools
import io
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers

from benchmarks import common
from benchmarks.films import enlarged, linked
from helpers import config
from helpers.data import dataset, generators
from helpers.data.generators import Augmentation
from helpers.training import fit, recipes
from helpers.training.recipes import Recipe

NETWORKS = {"cnn_4": "CNN 4", "final": "the final network"}
LARGE = 48  # films made as large as the originals; linked again and again
# What ours has to be at least, in multiples of another way.
FILES, KERAS = "ImageDataGenerator", "image_dataset_from_directory"
MUSTS = {
    ("cnn_4", FILES): 3.0,
    ("cnn_4", KERAS): 1.8,
    ("cnn_4", "ceiling"): 0.9,
    ("final", FILES): 2.0,
    ("final", KERAS): 1.5,
    ("final", "ceiling"): 0.9,
}
WORDS = {"ceiling": "one batch in memory"}


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
    with contextlib.redirect_stdout(io.StringIO()):  # it prints how many it found
        shape = {"target_size": (recipe.side, recipe.side), "color_mode": "grayscale"}
        settings = {"class_mode": "binary", "batch_size": recipe.batch_size, "seed": 1}
        return maker.flow_from_directory(root, **shape, **settings)


def _keras_layers(change: Augmentation) -> list[layers.Layer]:
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
    return moves + tones if change.contrast else moves


def image_dataset(recipe: Recipe, root: Path) -> tf.data.Dataset:
    """Keras 3's way: files through tf.data, then Keras's augmentation layers."""
    changes = _keras_layers(recipe.augmentation or Augmentation())

    def changed(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        for change in changes:
            x = change(x, training=True)
        return tf.ensure_shape(x, (None, recipe.side, recipe.side, 1)), y

    shape = {"image_size": (recipe.side, recipe.side), "color_mode": "grayscale"}
    settings = {"label_mode": "binary", "batch_size": recipe.batch_size, "seed": 1}
    films = keras.utils.image_dataset_from_directory(root, **shape, **settings, verbose=False)
    return films.map(changed, tf.data.AUTOTUNE).repeat().prefetch(tf.data.AUTOTUNE)


def ours(recipe: Recipe, films: pd.DataFrame) -> tf.data.Dataset:
    """This project's way: decoded once, changed in batches."""
    pictures, _ = dataset.read_all(list(films["path"]), recipe.side)
    y = (films["label"] == "PNEUMONIA").to_numpy().astype(int)
    settings = {"batch_size": recipe.batch_size, "augmentation": recipe.augmentation}
    return generators.train_set(pictures, y, epochs=1000, seed=1, **settings)


def ceiling(recipe: Recipe) -> tf.data.Dataset:
    """One batch in memory, again and again."""
    shape = (recipe.batch_size, recipe.side, recipe.side, 1)
    x = tf.constant(np.random.default_rng(1).integers(0, 256, shape), tf.float32)
    y = tf.constant(np.arange(recipe.batch_size)[:, np.newaxis] % 2, tf.float32)
    return tf.data.Dataset.from_tensors((x, y)).repeat()


def rate(model: keras.Model, batches: Iterable[Any], films: int, steps: int) -> float:
    """Films a second (``films`` a batch) over two epochs of ``fit``, after one to warm up."""
    moments: list[float] = []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: moments.append(time.perf_counter())
    )
    settings = {"callbacks": [watch], "shuffle": False, "verbose": 0}
    model.fit(batches, epochs=3, steps_per_epoch=steps, **settings)
    return 2 * steps * films / (moments[-1] - moments[steps - 1])


def measure(
    films: pd.DataFrame, networks: Iterable[Recipe], pairs: int, steps: int
) -> list[dict[str, Any]]:
    """A row a network and way: its films a second, ours beside it, the ratio with its range.

    ``films`` have path and label. With the ceiling there are ``pairs`` pairs, with the other ways,
    from which ours differs by more than pairs scatter, a third as many.
    """
    rows = []
    with tempfile.TemporaryDirectory() as name:
        large = enlarged(films.head(LARGE), Path(name) / "large")
        for recipe in networks:
            count, root = steps * recipe.batch_size, Path(name) / recipe.name
            folder = linked(large, root, count)
            swift = _timed(recipe, ours(recipe, films), steps)
            for way, batches in _others(recipe, folder):
                times = pairs if way == "ceiling" else max(1, pairs // 3)
                found = common.in_turn(swift, _timed(recipe, batches, steps), times)
                rows.append({"network": recipe.name, "way": way, **found})
    return rows


def _timed(recipe: Recipe, batches: Iterable[Any], steps: int) -> Callable[[], float]:
    """The rate as a call; each has a network of its own, traced for the shapes of its batches."""
    model = fit.compiled(recipe, 1000, seed=1)
    return functools.partial(rate, model, batches, recipe.batch_size, steps)


def _others(recipe: Recipe, folder: Path) -> Iterable[tuple[str, Iterable[Any]]]:
    """Way and batches of all that ours is compared with; files are of the originals' size."""
    yield "ceiling", ceiling(recipe)
    yield FILES, image_data_generator(recipe, folder)
    yield KERAS, image_dataset(recipe, folder)


def lines(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table's lines: what has to be reached, and whether it was."""
    found = []
    for row in rows:
        least, way = MUSTS[row["network"], row["way"]], WORDS.get(row["way"], row["way"])
        value = f"{row['ratio']:.2f} ({row['ours']:,.0f} X-rays a second)"
        what = f"Training {NETWORKS[row['network']]}, times as fast as from {way}"
        found.append(common.line(what, value, f"at least {least}", row["ratio"] >= least))
    return found


def main() -> None:
    """Measure on packaged training films and write the record."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--pairs", type=int, default=9, help="with the ceiling; others a third")
    options.add_argument("--steps", type=int, default=25, help="of an epoch")
    chosen = options.parse_args()
    films = dataset.packaged().table.query("part == 'training'")
    films = films.sample(800, random_state=config.SEED)
    rows = measure(films, map(recipes.get, NETWORKS), chosen.pairs, chosen.steps)
    common.write("feeding", rows, lines(rows))


if __name__ == "__main__":
    main()
