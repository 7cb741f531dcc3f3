"""The augmentation: how training films are moved, sharpened and retoned, a batch at a time."""

import functools
import math
from dataclasses import dataclass, fields

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw

BANK = 64  # films' worth of normal numbers; a film's noise begins anywhere among them


@dataclass(frozen=True)
class Augmentation:
    """How far a training film may differ from the one on disk; zero switches a change off."""

    rotation: float = 0.0  # degrees, either way
    shift: float = 0.0  # share of the side, across and down
    zoom: float = 0.0  # share of the size, larger or smaller
    mirror: bool = False  # left and right, for half of the films
    flip: bool = False  # upside down, for half of the films
    brightness: float = 0.0  # added to intensities of 0..1, either way
    contrast: float = 0.0  # log of a factor about the film's mean, either way
    gamma: float = 0.0  # log of an exponent of intensities, either way
    noise: float = 0.0  # largest standard deviation of normal noise, on intensities of 0..1
    sharpness: float = 0.0  # share of the fine detail taken away or added at most (1 takes all)
    letters: float = 0.0  # share of films on which a white letter is stamped
    crop: float = 0.0  # share of the side cut off at most, on about half of the four sides
    frame: float = 0.0  # width of black or white strips at most, on half of the films


LETTER = Augmentation(shift=0.33, zoom=0.4)  # how far a letter may stand from the centre, its size
EDGES = ("left", "right", "top", "bottom")
DRAWS = (*(field.name for field in fields(Augmentation)), "down", "start", *EDGES)


def augment(pictures: tf.Tensor, change: Augmentation, seed: tf.Tensor) -> tf.Tensor:
    """Change a batch (n, side, side, channels) of intensities 0..255; same seed, same change.

    ``seed`` is a pair of integers; gives float32. What a movement uncovers is black.
    """
    films, seed = tf.cast(pictures, tf.float32), tf.convert_to_tensor(seed, tf.int32)
    drawn = draw(tf.shape(films)[0], seed)
    if any((change.rotation, change.shift, change.zoom, change.mirror, change.flip, change.crop)):
        films = moved(films, change, drawn)
    if change.letters:
        films = tf.maximum(films, letters(films, change.letters, seed + [0, 1]))
    films = retoned(films, change, drawn)
    return framed(films, change.frame, drawn) if change.frame else films


def draw(count: int | tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
    """Numbers from -1 to 1 for ``count`` films, by the names in ``DRAWS``: (count, 1, 1, 1)."""
    rows = tf.random.stateless_uniform([len(DRAWS), count, 1, 1, 1], seed, -1.0, 1.0)
    return dict(zip(DRAWS, tf.unstack(rows), strict=True))


def moved(films: tf.Tensor, change: Augmentation, drawn: dict[str, tf.Tensor]) -> tf.Tensor:
    """Films resampled once, bilinear, by one affine map each about the centre.

    A map takes an output pixel (x, y) to (a x + b y + c, d x + e y + f) of the film.
    """
    angle = drawn["rotation"] * math.radians(change.rotation)
    scale = tf.exp(drawn["zoom"] * math.log1p(change.zoom))
    mirror = tf.where(drawn["mirror"] < 0, 1.0 - 2.0 * change.mirror, 1.0)
    flip = tf.where(drawn["flip"] < 0, 1.0 - 2.0 * change.flip, 1.0)
    a, b = mirror * scale * tf.cos(angle), -mirror * scale * tf.sin(angle)
    d, e = flip * scale * tf.sin(angle), flip * scale * tf.cos(angle)
    side, zero = films.shape[1], tf.zeros_like(a)
    c = (1 - a - b) * (side - 1) / 2 + change.shift * side * drawn["shift"]
    f = (1 - d - e) * (side - 1) / 2 + change.shift * side * drawn["down"]
    # Where a side is cut, the map first takes the output's square to what is left of the film.
    left, right, top, bottom = (change.crop * tf.nn.relu(-drawn[edge]) for edge in EDGES)
    across, down = 1 - left - right, 1 - top - bottom
    c += (a * left + b * top) * (side - 1)
    f += (d * left + e * top) * (side - 1)
    a, b, d, e = a * across, b * down, d * across, e * down
    maps = tf.reshape(tf.stack([a, b, c, d, e, f, zero, zero], axis=1), [-1, 8])
    settings = {"fill_value": 0.0, "fill_mode": "CONSTANT", "interpolation": "BILINEAR"}
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=films, transforms=maps, output_shape=[side, side], **settings
    )


def framed(films: tf.Tensor, widest: float, drawn: dict[str, tf.Tensor]) -> tf.Tensor:
    """Half of the films with black or white strips, at most ``widest`` (share of the side) wide.

    On a quarter of the films on all four sides, on another quarter on each side or not.
    """
    place = (tf.range(films.shape[1], dtype=tf.float32) + 0.5) / films.shape[1]
    x, y = tf.reshape(place, [1, 1, -1, 1]), tf.reshape(place, [1, -1, 1, 1])
    kind = tf.abs(drawn["frame"])
    left, right, top, bottom = (  # below zero: none
        widest * tf.where(kind > 0.75, tf.abs(u), tf.where(kind > 0.5, 2 * u - 1, -1.0))
        for u in (drawn[edge] for edge in EDGES)
    )
    strip = (x < left) | (x > 1 - right) | (y < top) | (y > 1 - bottom)
    return tf.where(strip, tf.where(drawn["frame"] < 0, 0.0, 255.0), films)


def letters(films: tf.Tensor, share: float, seed: tf.Tensor) -> tf.Tensor:
    """Black films in place of ``films``, on a ``share`` of them a white R, about a tenth high."""
    count, side = tf.shape(films)[0], films.shape[1]
    page, drawn, middle = Image.new("L", (side, side)), draw(count, seed), (side / 2, side / 2)
    ImageDraw.Draw(page).text(middle, "R", fill=255, font_size=0.12 * side, anchor="mm")
    page = np.asarray(page, np.float32)[np.newaxis, ..., np.newaxis]
    return moved(tf.where(drawn["letters"] < 2 * share - 1, page, 0.0), LETTER, drawn)


@functools.cache
def bank(pixels: int) -> tf.Tensor:
    """Normal numbers for films of so many pixels, the same in every process."""
    with tf.init_scope(), tf.device("CPU"):  # outside of the graph that asks for them first
        return tf.random.stateless_normal([BANK * pixels], seed=[1, 2])


@tf.function(jit_compile=True)  # one pass over the pixels for all changes
def retoned(films: tf.Tensor, change: Augmentation, drawn: dict[str, tf.Tensor]) -> tf.Tensor:
    """Films with fine detail added or taken, gamma, contrast, brightness, noise, in this order."""
    by = {name: getattr(change, name) * drawn[name] for name in DRAWS[:-6]}
    if change.sharpness:  # detail is what a 5 x 5 binomial filter removes
        soft = tf.pad(films, [[0, 0], [2, 2], [2, 2], [0, 0]], mode="SYMMETRIC")
        for _ in range(4):  # four sums of neighbours: 1 4 6 4 1 sixteenths
            soft = soft[:, 1:] + soft[:, :-1]
        for _ in range(4):
            soft = soft[:, :, 1:] + soft[:, :, :-1]
        films = tf.clip_by_value(films + by["sharpness"] * (films - soft / 256), 0.0, 255.0)
    if any((change.brightness, change.contrast, change.gamma)):
        light = tf.exp(tf.exp(by["gamma"]) * tf.math.log(films / 255.0))  # quicker than a power
        mean = tf.reduce_mean(light, axis=[1, 2, 3], keepdims=True)
        light = (light - mean) * tf.exp(by["contrast"]) + mean + by["brightness"]
        films = 255.0 * tf.clip_by_value(light, 0.0, 1.0)
    if change.noise:
        pixels = math.prod(films.shape[1:])
        start = tf.cast(tf.abs(drawn["start"]) * (BANK - 1) * pixels, tf.int32)[:, 0, 0]
        grain = tf.reshape(tf.gather(bank(pixels), start + tf.range(pixels)), tf.shape(films))
        films = tf.clip_by_value(films + 255.0 * tf.abs(by["noise"]) * grain, 0.0, 255.0)
    return films
