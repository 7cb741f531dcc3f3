"""tf.data generators for training, validation and test films; the augmentation.

Every training batch is a pure function of (seed, step): which films it holds and how they are
moved. So the same seed gives the same batches on any number of threads, and a training that was
interrupted goes on at the step it had reached.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw

from helpers.data import pixels

# Threads that prepare films: half the cores, so that the network keeps the other half to itself.
THREADS = max(1, (os.cpu_count() or 1) // 2)


@dataclass(frozen=True)
class Augmentation:
    """How far a training film may differ from the one on disk; zero switches a change off.

    ``rotation`` in degrees either way; ``shift`` and ``zoom`` as shares of the side;
    ``mirror`` and ``flip`` (left-right, upside down) with probability one half;
    ``brightness`` added, ``contrast`` and ``gamma`` as log-range either way around 1, on
    intensities 0..1; ``noise`` the largest standard deviation of Gaussian noise;
    ``sharpness`` how much of the fine detail is taken away or added at most (1 takes all);
    ``letters`` the share of films on which a white letter is stamped anywhere.
    """

    rotation: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    mirror: bool = False
    flip: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    noise: float = 0.0
    sharpness: float = 0.0
    letters: float = 0.0

    @property
    def moves(self) -> bool:
        """Whether films are moved (one resampling each)."""
        return any((self.rotation, self.shift, self.zoom, self.mirror, self.flip))

    @property
    def tones(self) -> bool:
        """Whether intensities are changed."""
        return any((self.brightness, self.contrast, self.gamma, self.noise))


def _uniform(seed: tf.Tensor, stream: int, count: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """``count`` draws from [low, high); ``stream`` keeps the kinds of change independent."""
    return tf.random.stateless_uniform([count], seed + [0, stream], low, high)


def transforms(
    augmentation: Augmentation, count: tf.Tensor, side: int, seed: tf.Tensor
) -> tf.Tensor:
    """Draw one affine map a film, as (count, 8) rows for ``ImageProjectiveTransformV3``.

    Rotation, zoom, mirroring and shift are multiplied into a single map about the centre, so
    that a film is resampled once, however many changes apply. A map takes output pixels to
    input pixels.
    """
    angle = math.radians(augmentation.rotation)
    angle = _uniform(seed, 1, count, -angle, angle)
    scale = tf.exp(_uniform(seed, 2, count, -1.0, 1.0) * math.log1p(augmentation.zoom))
    reach = augmentation.shift * side
    dx, dy = (_uniform(seed, stream, count, -reach, reach) for stream in (3, 4))
    mirror = tf.where(_uniform(seed, 5, count, 0, 1) < 0.5 * augmentation.mirror, -1.0, 1.0)
    flip = tf.where(_uniform(seed, 6, count, 0, 1) < 0.5 * augmentation.flip, -1.0, 1.0)
    a, b = mirror * scale * tf.cos(angle), -scale * tf.sin(angle) * mirror
    d, e = flip * scale * tf.sin(angle), flip * scale * tf.cos(angle)
    centre = (side - 1) / 2
    c = centre - a * centre - b * centre + dx
    f = centre - d * centre - e * centre + dy
    zero = tf.zeros_like(a)
    return tf.stack([a, b, c, d, e, f, zero, zero], axis=1)


def augment(
    pictures: tf.Tensor, augmentation: Augmentation, seed: Sequence[int] | tf.Tensor
) -> tf.Tensor:
    """Change a batch (n, side, side, channels) of intensities 0..255; same seed, same change.

    ``pictures`` may be uint8, which is quicker, or floats; what comes back is float32. ``seed`` is
    a pair of integers. What a rotation uncovers is filled with black, the film's own surround.
    """
    pictures, seed = tf.convert_to_tensor(pictures), tf.convert_to_tensor(seed, tf.int32)
    count, side = tf.shape(pictures)[0], pictures.shape[1]
    draws: pixels.Draws = {}
    if augmentation.moves:
        draws["maps"] = transforms(augmentation, count, side, seed)
    if augmentation.letters:
        draws |= _letters(augmentation.letters, count, side, seed)
    if augmentation.sharpness:
        most = augmentation.sharpness
        draws["sharpness"] = _uniform(seed, 12, count, -min(most, 1.0), most)
    if augmentation.tones:
        draws |= _tones(augmentation, count, seed)
    return pixels.changed(pictures, draws)


def _letter(side: int) -> tf.Tensor:
    """An R in the middle of a black film (1, side, side, 1), half the film's side high."""
    film = Image.new("L", (side, side))
    pen = ImageDraw.Draw(film)
    pen.text((side / 2, side / 2), "R", fill=255, font_size=0.7 * side, anchor="mm")
    return tf.constant(np.asarray(film)[np.newaxis, ..., np.newaxis], tf.float32)


def _letters(share: float, count: tf.Tensor, side: int, seed: tf.Tensor) -> pixels.Draws:
    """A letter for a ``share`` of the films, anywhere, 5% to 15% of the side high."""
    # A map takes output to input pixels: the letter shrinks by ``wide`` and by ``high``.
    high = 0.5 / _uniform(seed, 13, count, 0.05, 0.15)
    wide = high * _uniform(seed, 14, count, 1.0, 2.0)  # burnt-in letters are narrow
    column, row = (_uniform(seed, stream, count, 0.05, 0.95) * side for stream in (15, 16))
    zero, centre = tf.zeros_like(high), (side - 1) / 2
    maps = [wide, zero, centre - wide * column, zero, high, centre - high * row, zero, zero]
    return {
        "letter": _letter(side),
        "letter_maps": tf.stack(maps, axis=1),
        "stamped": tf.cast(_uniform(seed, 17, count, 0, 1) < share, tf.float32),
    }


def _tones(augmentation: Augmentation, count: tf.Tensor, seed: tf.Tensor) -> pixels.Draws:
    """Gamma, contrast, brightness and the strength of noise, with what the noise is made of."""
    gamma, contrast, brightness = (
        _uniform(seed, stream, count, -most, most)
        for stream, most in (
            (7, augmentation.gamma),
            (8, augmentation.contrast),
            (9, augmentation.brightness),
        )
    )
    draws = {"gamma": tf.exp(gamma), "contrast": tf.exp(contrast), "brightness": brightness}
    if augmentation.noise:
        start = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed + [0, 10])
        draws |= {"key": start.key, "counter": start.counter}
        draws["noise"] = _uniform(seed, 11, count, 0.0, augmentation.noise)
    return draws


def train_set(
    pictures: np.ndarray,
    labels: np.ndarray,
    *,
    batch_size: int,
    epochs: int,
    seed: int,
    augmentation: Augmentation | None = None,
    first_epoch: int = 0,
    weights: np.ndarray | None = None,
) -> tf.data.Dataset:
    """Shuffled, augmented training batches for the epochs from ``first_epoch`` to ``epochs``.

    ``pictures`` (n, side, side) uint8, ``labels`` (n,) 0 or 1. Each epoch holds every film
    once, in an order of its own; the last batch of an epoch is filled with that epoch's first
    films, so that all batches have one shape. Yields (b, side, side, 1) float32 of 0..255 and
    (b, 1) float32; with ``weights`` (n,), how much each film counts, (b, 1) of them too.

    Raises:
        ValueError: no films, or not as many labels as films.
    """
    _check(pictures, labels)
    films, target = _fetcher(pictures), tf.constant(labels, tf.float32)
    counts = None if weights is None else tf.constant(weights, tf.float32)
    count, steps = len(pictures), steps_per_epoch(len(pictures), batch_size)
    change = augmentation or Augmentation()

    def batch(step: tf.Tensor) -> tuple[tf.Tensor, ...]:
        epoch, place = step // steps, step % steps
        order = tf.random.experimental.stateless_shuffle(tf.range(count), [seed, epoch])
        chosen = tf.gather(order, (place * batch_size + tf.range(batch_size)) % count)
        x = augment(films(chosen), change, tf.stack([seed, 1000 + 16 * step]))
        y = tf.gather(target, chosen)[:, tf.newaxis]
        return (x, y) if counts is None else (x, y, tf.gather(counts, chosen)[:, tf.newaxis])

    numbers = tf.data.Dataset.range(first_epoch * steps, epochs * steps, output_type=tf.int32)
    made = steady(numbers.map(batch, num_parallel_calls=THREADS).prefetch(4))
    options = tf.data.Options()
    options.threading.private_threadpool_size = THREADS
    options.threading.max_intra_op_parallelism = 1
    return made.with_options(options)


def steady(batches: tf.data.Dataset) -> tf.data.Dataset:
    """The same batches without tf.data's autotuning, whose gains are small and whose waits long.

    Its thread looks again after 10, 20, 40, ... milliseconds, and an iterator that is closed waits
    until it has: every prediction and every epoch's validation took up to twice its time.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Batches that show each of ``count`` films at least once."""
    return math.ceil(count / batch_size)


def val_set(pictures: np.ndarray, labels: np.ndarray, *, batch_size: int) -> tf.data.Dataset:
    """Validation films in their order, unchanged; shapes as in ``train_set``."""
    _check(pictures, labels)
    films, target = _fetcher(pictures), tf.constant(labels, tf.float32)
    rows = tf.data.Dataset.range(len(pictures), output_type=tf.int32).batch(batch_size)

    def batch(some: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.cast(films(some), tf.float32), tf.gather(target, some)[:, tf.newaxis]

    return steady(rows.map(batch).prefetch(2))


def test_set(pictures: np.ndarray, *, batch_size: int) -> tf.data.Dataset:
    """Test films in their order, unchanged, without labels: prediction cannot see them."""
    placeholder = np.zeros(len(pictures), np.float32)
    return val_set(pictures, placeholder, batch_size=batch_size).map(lambda x, y: x)


def _fetcher(pictures: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor]:
    """What gives the films at some rows, (b, side, side, 1) uint8."""
    films = tf.constant(pictures)
    return lambda rows: tf.gather(films, rows)[..., tf.newaxis]


def _check(pictures: np.ndarray, labels: np.ndarray) -> None:
    if len(pictures) == 0:
        raise ValueError("no films to make batches of")
    if len(pictures) != len(labels):
        raise ValueError(f"{len(pictures)} films but {len(labels)} labels")
