"""What is done to the pixels of a batch of films: arithmetic, compiled by XLA.

Everything random is drawn before, by TensorFlow's own generator. Compiled, a change is one pass
over the pixels and takes a third of the time of TensorFlow's kernels one after the other.
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
    """Films (n, side, side, channels), float32 of 0..255, moved, stamped, sharpened and retoned.

    ``draws`` holds, each for n films: ``maps`` (n, 8), see ``moved``; ``letter`` (1, side, side, 1)
    with ``letter_maps`` (n, 8) and ``stamped`` (n,) 0 or 1; ``sharpness`` (n,); ``gamma``,
    ``contrast`` and ``brightness`` (n,); ``words``, random 32-bit words, one for each pixel,
    with ``noise`` (n,), the standard deviations on intensities 0..1.
    """
    if "maps" in draws:
        films = moved(films, draws["maps"])
    if "letter_maps" in draws:
        films = stamped(films, draws["letter"], draws["letter_maps"], draws["stamped"])
    if "sharpness" in draws:
        films = sharpened(films, _column(draws["sharpness"]))
    if "gamma" in draws:
        tones = (_column(draws[name]) for name in ("gamma", "contrast", "brightness"))
        films = retoned(films, *tones, _grain(draws, films))
    return films


def _column(values: tf.Tensor) -> tf.Tensor:
    """One value a film, shaped to act on (n, side, side, channels)."""
    return tf.reshape(values, [-1, 1, 1, 1])


@compiled
def moved(films: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
    """Each film by its affine map, bilinear; what it uncovers is black.

    Rows (a, b, c, d, e, f, 0, 0) take an output pixel (x, y) to (a x + b y + c, d x + e y + f) of
    the film, as for ``tf.raw_ops.ImageProjectiveTransformV3``, whose kernel takes three times as
    long.
    """
    side, channels = films.shape[1], films.shape[3]
    a, b, c, d, e, f = (tf.reshape(maps[:, k], [-1, 1, 1]) for k in range(6))
    along = tf.range(side, dtype=tf.float32)
    x, y = along[tf.newaxis, tf.newaxis, :], along[tf.newaxis, :, tf.newaxis]
    # A rim of black stands for all that lies outside.
    wide, last = side + 2, float(side)
    u = tf.clip_by_value(a * x + b * y + c, -1.0, last)
    v = tf.clip_by_value(d * x + e * y + f, -1.0, last)
    left, top = tf.minimum(tf.floor(u), last - 1), tf.minimum(tf.floor(v), last - 1)
    across, down = (u - left)[..., tf.newaxis], (v - top)[..., tf.newaxis]
    rimmed = tf.pad(films, [[0, 0], [1, 1], [1, 1], [0, 0]])
    flat = tf.reshape(rimmed, [-1, wide * wide, channels])
    corner = tf.cast(top + 1, tf.int32) * wide + tf.cast(left + 1, tf.int32)
    corners = [tf.gather(flat, corner + step, batch_dims=1) for step in (0, 1, wide, wide + 1)]
    upper = corners[0] * (1 - across) + corners[1] * across
    lower = corners[2] * (1 - across) + corners[3] * across
    return upper * (1 - down) + lower * down


@compiled
def stamped(films: tf.Tensor, letter: tf.Tensor, maps: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """The white ``letter`` on the films where ``drawn`` is 1, moved by ``maps``."""
    letters = moved(tf.tile(letter, [tf.shape(maps)[0], 1, 1, 1]), maps)
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
    grain: tf.Tensor,
) -> tf.Tensor:
    """Gamma, contrast about the film's mean, brightness, grain, in this order; stays in 0..255."""
    # The power as an exponential; the logarithm of black is -inf, its power 0.
    x = tf.exp(gamma * tf.math.log(tf.clip_by_value(films / 255.0, 0.0, 1.0)))
    mean = tf.reduce_mean(x, axis=[1, 2, 3], keepdims=True)
    return tf.clip_by_value((x - mean) * contrast + mean + brightness + grain, 0.0, 1.0) * 255.0


def _grain(draws: Draws, films: tf.Tensor) -> tf.Tensor:
    """Gaussian noise of each film's own strength; nought where none was drawn."""
    if "words" not in draws:
        return tf.zeros([1, 1, 1, 1])
    numbers = normal(draws["words"])[: tf.size(films)]
    return tf.reshape(numbers, tf.shape(films)) * _column(draws["noise"])


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


@compiled
def normal(words: tf.Tensor) -> tf.Tensor:
    """Standard normal numbers from random 32-bit words (n,), n even (Box and Muller 1958).

    The same that ``tf.random.stateless_normal`` makes of these words, but for rounding.
    """
    # 23 random bits behind the exponent of 1 make a float of [1, 2).
    ones = tf.bitwise.bitwise_or(tf.bitwise.bitwise_and(words, 0x7FFFFF), 127 << 23)
    uniform = tf.reshape(tf.bitcast(ones, tf.float32) - 1.0, [-1, 2])
    radius = tf.sqrt(-2.0 * tf.math.log(tf.maximum(uniform[:, 0], 1e-7)))
    turn = uniform[:, 1] - tf.round(uniform[:, 1])
    square = turn * turn
    sine, cosine = turn * _polynomial(SINE, square), _polynomial(COSINE, square)
    return tf.reshape(tf.stack([radius * sine, radius * cosine], axis=1), [-1])
