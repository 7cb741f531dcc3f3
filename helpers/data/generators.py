"""tf.data generators for training, validation and test films.

Every training batch is a pure function of (seed, step): which films it holds and how they are
moved. So the same seed gives the same batches on any number of threads, and a training that was
interrupted goes on at the step it had reached.
"""

import math
import os

import numpy as np
import tensorflow as tf

from helpers.data.augmentation import Augmentation, augment

# Threads that prepare films: half the cores, so that the network keeps the other half to itself.
THREADS = max(1, (os.cpu_count() or 1) // 2)


def train_set(
    pictures: np.ndarray,
    labels: np.ndarray,
    *,
    batch_size: int,
    epochs: int,
    seed: int,
    augmentation: Augmentation | None = None,
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """Shuffled, augmented training batches for the epochs from ``first_epoch`` to ``epochs``.

    ``pictures`` (n, side, side) uint8, ``labels`` (n,) 0 or 1. Each epoch holds every film
    once, in an order of its own; the last batch of an epoch is filled with that epoch's first
    films, so that all batches have one shape. Yields (b, side, side, 1) float32 of 0..255 and
    (b, 1) float32. ValueError without films, or with another number of labels.
    """
    _check(pictures, labels)
    films, change = tf.constant(pictures[..., np.newaxis]), augmentation or Augmentation()
    targets = tf.constant(np.reshape(labels, (-1, 1)), tf.float32)
    count, steps = len(pictures), steps_per_epoch(len(pictures), batch_size)

    def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        order = tf.random.experimental.stateless_shuffle(tf.range(count), [seed, step // steps])
        rows = tf.gather(order, (step % steps * batch_size + tf.range(batch_size)) % count)
        x = augment(tf.gather(films, rows), change, tf.stack([seed, 1000 + 16 * step]))
        return x, tf.gather(targets, rows)

    numbers = tf.data.Dataset.range(first_epoch * steps, epochs * steps, output_type=tf.int32)
    made, options = numbers.map(batch, num_parallel_calls=THREADS).prefetch(4), tf.data.Options()
    options.threading.private_threadpool_size = THREADS
    options.threading.max_intra_op_parallelism = 1
    return steady(made.with_options(options))


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Batches that show each of ``count`` films at least once."""
    return math.ceil(count / batch_size)


def steady(batches: tf.data.Dataset) -> tf.data.Dataset:
    """The same batches without tf.data's autotuning, whose gains are small and whose waits long.

    Its thread looks again after 10, 20, 40, ... milliseconds, and an iterator that is closed waits
    until it has: every prediction and every epoch's validation took up to twice its time.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


def val_set(pictures: np.ndarray, labels: np.ndarray, *, batch_size: int) -> tf.data.Dataset:
    """Validation films in their order, unchanged; shapes as in ``train_set``."""
    _check(pictures, labels)
    films, targets = pictures[..., np.newaxis], np.reshape(labels, (-1, 1)).astype(np.float32)
    rows = tf.data.Dataset.from_tensor_slices((films, targets)).batch(batch_size)
    return steady(rows.map(lambda x, y: (tf.cast(x, tf.float32), y)).prefetch(2))


def test_set(pictures: np.ndarray, *, batch_size: int) -> tf.data.Dataset:
    """Test films in their order, unchanged, without labels: prediction cannot see them."""
    placeholder = np.zeros(len(pictures), np.float32)
    return val_set(pictures, placeholder, batch_size=batch_size).map(lambda x, y: x)


def _check(pictures: np.ndarray, labels: np.ndarray) -> None:
    if len(pictures) == 0:
        raise ValueError("no films to make batches of")
    if len(pictures) != len(labels):
        raise ValueError(f"{len(pictures)} films but {len(labels)} labels")
