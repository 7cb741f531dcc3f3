"""What is done to the pixels of a batch of films: arithmetic, compiled by XLA.

Everything random is drawn before, by TensorFlow's own generator; only the noise, a number for each
pixel, is made here, the same that TensorFlow would make. Compiled, a change is one pass over the
pixels and takes a third of the time of TensorFlow's kernels one after the other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from numpy.polynomial import Chebyshev, Polynomial

# What was drawn for a batch, by name; what is absent is not changed.
Draws = dict[str, tf.Tensor]

# Each change apart: in one, XLA would move a film anew for every pixel that sharpening reads.
compiled = tf.function(jit_compile=True)


def changed(films: tf.Tensor, draws: Draws) -> tf.Tensor:
    """Films (n, side, side, channels) of 0..255 moved, stamped, sharpened and retoned, as float32.

    ``draws`` holds, each for n films: ``maps`` (n, 8), see ``moved``; ``letter`` (1, side, side, 1)
    with ``letter_maps`` (n, 8) and ``stamped`` (n,) 0 or 1; ``sharpness`` (n,); ``gamma``,
    ``contrast`` and ``brightness`` (n,); ``noise`` (n,), the standard deviations on intensities
    0..1, with ``key`` (1,) and ``counter`` (2,) to make it from, see ``normal``.
    """
    films = moved(films, draws["maps"]) if "maps" in draws else tf.cast(films, tf.float32)
    if "letter_maps" in draws:
        films = stamped(films, draws["letter"], draws["letter_maps"], draws["stamped"])
    if "sharpness" in draws:
        films = sharpened(films, _column(draws["sharpness"]))
    if "gamma" in draws:
        tones = [_column(draws[name]) for name in ("gamma", "contrast", "brightness")]
        if "noise" in draws:
            tones += [normal(draws["key"], draws["counter"], films), _column(draws["noise"])]
        films = retoned(films, *tones)
    return films


def _column(values: tf.Tensor) -> tf.Tensor:
    """One value a film, shaped to act on (n, side, side, channels)."""
    return tf.reshape(values, [-1, 1, 1, 1])


def moved(films: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
    """Each film by its affine map, bilinear, float32; what it uncovers is black.

    Rows (a, b, c, d, e, f, 0, 0) take an output pixel (x, y) to (a x + b y + c, d x + e y + f) of
    the film, as for ``tf.raw_ops.ImageProjectiveTransformV3``, whose kernel takes three times as
    long. Films of bytes in one channel are fetched four pixels at a time.
    """
    if films.dtype == tf.uint8 and films.shape[-1] == 1:
        return _moved_quads(_quads(films), maps)
    return _moved_floats(tf.cast(films, tf.float32), maps)


@compiled
def _moved_floats(films: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
    """Films (n, side, side, channels), float32, moved."""
    side, channels = films.shape[1], films.shape[3]
    wide = side + 2
    rimmed = tf.pad(films, [[0, 0], [1, 1], [1, 1], [0, 0]])
    flat = tf.reshape(rimmed, [-1, wide * wide, channels])
    place, across, down = _places(maps, side, wide)
    corners = [tf.gather(flat, place + step, batch_dims=1) for step in (0, 1, wide, wide + 1)]
    return _blended(corners, across[..., tf.newaxis], down[..., tf.newaxis])


@compiled
def _quads(films: tf.Tensor) -> tf.Tensor:
    """Each 2 x 2 pixels of films (n, side, side, 1), uint8, and of their black rim in one uint32.

    The upper row's are the lower bytes. (n, side + 1, side + 1).
    """
    rimmed = tf.pad(tf.cast(films[..., 0], tf.uint32), [[0, 0], [1, 1], [1, 1]])
    rows = rimmed[:, :, :-1] + 256 * rimmed[:, :, 1:]
    return rows[:, :-1] + 65536 * rows[:, 1:]


@compiled
def _moved_quads(quads: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
    """The films that ``_quads`` were made of, moved."""
    wide = quads.shape[1]
    place, across, down = _places(maps, wide - 1, wide)
    four = tf.gather(tf.reshape(quads, [-1, wide * wide]), place, batch_dims=1)
    corners = [tf.cast(_shifted(four, bits) & 255, tf.float32) for bits in (0, 8, 16, 24)]
    return _blended(corners, across, down)[..., tf.newaxis]


def _places(maps: tf.Tensor, side: int, wide: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Where each output pixel's upper left neighbour is, and how far it lies across and down.

    Places (n, side, side) are counted in rows of ``wide``, after a rim of one pixel, which stands
    for all that lies outside.
    """
    a, b, c, d, e, f = (tf.reshape(maps[:, k], [-1, 1, 1]) for k in range(6))
    along = tf.range(side, dtype=tf.float32)
    x, y = along[tf.newaxis, tf.newaxis, :], along[tf.newaxis, :, tf.newaxis]
    last = float(side)
    u = tf.clip_by_value(a * x + b * y + c, -1.0, last)
    v = tf.clip_by_value(d * x + e * y + f, -1.0, last)
    left, top = tf.minimum(tf.floor(u), last - 1), tf.minimum(tf.floor(v), last - 1)
    place = tf.cast(top + 1, tf.int32) * wide + tf.cast(left + 1, tf.int32)
    return place, u - left, v - top


def _blended(corners: list[tf.Tensor], across: tf.Tensor, down: tf.Tensor) -> tf.Tensor:
    """Between the pixels upper left, upper right, lower left and lower right."""
    upper = corners[0] * (1 - across) + corners[1] * across
    lower = corners[2] * (1 - across) + corners[3] * across
    return upper * (1 - down) + lower * down


@compiled
def stamped(films: tf.Tensor, letter: tf.Tensor, maps: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """The white ``letter`` on the films where ``drawn`` is 1, moved by ``maps``."""
    letters = _moved_floats(tf.tile(letter, [tf.shape(maps)[0], 1, 1, 1]), maps)
    return tf.maximum(films, letters * _column(drawn))


@compiled
def sharpened(films: tf.Tensor, amount: tf.Tensor) -> tf.Tensor:
    """Add ``amount`` times the fine detail: what a 5 x 5 binomial filter removes."""
    # Four times the mean of neighbours: 1 4 6 4 1 sixteenths.
    smooth = tf.pad(films, [[0, 0], [2, 2], [2, 2], [0, 0]], mode="SYMMETRIC")
    for _ in range(4):
        smooth = smooth[:, 1:] + smooth[:, :-1]
    for _ in range(4):
        smooth = smooth[:, :, 1:] + smooth[:, :, :-1]
    return tf.clip_by_value(films + amount * (films - smooth / 256), 0.0, 255.0)


@compiled
def retoned(
    films: tf.Tensor,
    gamma: tf.Tensor,
    contrast: tf.Tensor,
    brightness: tf.Tensor,
    numbers: tf.Tensor | float = 0.0,
    noise: tf.Tensor | float = 0.0,
) -> tf.Tensor:
    """Gamma, contrast about the film's mean, brightness, grain, in this order; stays in 0..255.

    Grain is ``numbers``, normal ones, a pixel each, times ``noise``, their strength.
    """
    # The power as an exponential; the logarithm of black is -inf, its power 0.
    x = tf.exp(gamma * tf.math.log(tf.clip_by_value(films / 255.0, 0.0, 1.0)))
    mean = tf.reduce_mean(x, axis=[1, 2, 3], keepdims=True)
    lit = (x - mean) * contrast + mean + brightness
    return tf.clip_by_value(lit + numbers * noise, 0.0, 1.0) * 255.0


def _series(function: Callable[[np.ndarray], np.ndarray], degree: int) -> list[float]:
    """Coefficients of the polynomial nearest to ``function`` on squares of half-turns, 0 to 1/4."""
    near = Chebyshev.interpolate(function, degree, domain=[0, 0.25])
    return [float(one) for one in near.convert(kind=Polynomial).coef]


# Sine and cosine of 2 pi t for t from -1/2 to 1/2, as polynomials of its square, which XLA computes
# for many pixels at once; the errors stay below those of a 32-bit float.
SINE = _series(lambda s: 2 * np.pi * np.sinc(2 * np.sqrt(s)), degree=7)
COSINE = _series(lambda s: np.cos(2 * np.pi * np.sqrt(s)), degree=7)


def _polynomial(coefficients: list[float], x: tf.Tensor) -> tf.Tensor:
    """The polynomial's value (Horner)."""
    value = tf.fill(tf.shape(x), coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * x + coefficient
    return value


# Philox: the two factors, what the two halves of the key grow by, the rounds.
FACTORS = (0xD2511F53, 0xCD9E8D57)
STRIDES = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10


def normal(key: tf.Tensor, counter: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Standard normal numbers in the shape of ``like``, float32.

    With ``key`` (1,) and ``counter`` (2,), uint64, that ``tf.raw_ops.StatelessRandomGetKeyCounter``
    makes of a seed, they are those of ``tf.random.stateless_normal`` with this seed, but for
    rounding. TensorFlow's own loop over Philox takes twice as long.
    """
    numbers = tf.reshape(tf.bitcast(_normal_pairs(key, counter, like), tf.float32), [-1])
    return tf.reshape(numbers[: tf.size(like)], tf.shape(like))


@compiled
def _normal_pairs(key: tf.Tensor, counter: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Two normal numbers to a uint64, as many as ``like`` has elements or one more."""
    index = tf.cast(tf.range((tf.size(like) + 1) // 2), tf.uint64)
    first, second = (tf.bitcast(one, tf.uint32) for one in box_muller(*philox(key, counter, index)))
    return _joined(tf.cast(first, tf.uint64), tf.cast(second, tf.uint64))


def philox(key: tf.Tensor, counter: tf.Tensor, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Words 2 i and 2 i + 1 for each i of ``index``: 32 random bits each, all of them uint64.

    Philox 4x32-10 (Salmon and others 2011, https://doi.org/10.1145/2063384.2063405): four words a
    count. Each pair computes its whole count: repeated work for the processor's vectors is
    cheaper than words that have to be put in order.
    """
    count = _shifted(index, 1)
    low = counter[0] + count
    high = counter[1] + tf.cast(low < count, tf.uint64)
    a, b, c, d = _low(low), _high(low), _low(high), _high(high)
    k, m = _low(key[0]), _high(key[0])
    for _ in range(ROUNDS):
        left, right = a * FACTORS[0], c * FACTORS[1]
        a, b, c, d = _high(right) ^ b ^ k, _low(right), _high(left) ^ d ^ m, _low(left)
        k, m = _low(k + STRIDES[0]), _low(m + STRIDES[1])
    even = (index & 1) == 0
    return tf.where(even, a, c), tf.where(even, b, d)


def _shifted(x: tf.Tensor, bits: int) -> tf.Tensor:
    """The bits of unsigned integers moved down."""
    return tf.bitwise.right_shift(x, tf.constant(bits, x.dtype))


def _low(x: tf.Tensor) -> tf.Tensor:
    """The lower 32 bits of a uint64."""
    return x & 0xFFFFFFFF


def _high(x: tf.Tensor) -> tf.Tensor:
    """The upper 32 bits of a uint64."""
    return _shifted(x, 32)


def _joined(low: tf.Tensor, high: tf.Tensor) -> tf.Tensor:
    """Two words in one uint64."""
    return low | tf.bitwise.left_shift(high, tf.constant(32, tf.uint64))


def box_muller(first: tf.Tensor, second: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Two normal numbers, float32, of two random words (Box and Muller 1958)."""
    radius = tf.sqrt(-2.0 * tf.math.log(tf.maximum(_uniform(first), 1e-7)))
    turn = _uniform(second)
    turn -= tf.round(turn)
    square = turn * turn
    return radius * (turn * _polynomial(SINE, square)), radius * _polynomial(COSINE, square)


def _uniform(words: tf.Tensor) -> tf.Tensor:
    """Numbers of [0, 1) of random words: 23 bits behind the exponent of 1 are one of [1, 2)."""
    ones = (tf.cast(words, tf.uint32) & 0x7FFFFF) | (127 << 23)
    return tf.bitcast(ones, tf.float32) - 1.0
