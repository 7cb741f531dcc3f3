"""Where a network looks: Grad-CAM, and what is left of a map without the weights.

Maps are (n, SIDE, SIDE) float, not negative, over the whole film; each sums to 1 unless nothing
on the film speaks for the call, then to 0.
"""

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from PIL import Image

from helpers.models.ensemble import Ensemble
from helpers.models.lungs import SIDE, WHOLE_FILM, Found

LEAST = 7  # a coarser map than 7 x 7 cannot tell a lung from the margin beside it
BATCH = 64
# Sanity check (Adebayo et al. 2018): the share of layers, from the output down, made anew.
STAGES = {"output": 0.0, "upper half": 0.5, "all": 1.0}


def grad_cam(model: keras.Model, pictures: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Grad-CAM (Selvaraju et al. 2017) of films (n, side, side) uint8: (n, h, w), >= 0.

    The last feature map of at least LEAST x LEAST (ValueError without one), its channels weighed by
    the mean gradient of ``sign`` (n,), 1 or -1 for or against pneumonia, times the logit.
    """
    shapes = ((layer.output, layer.output.shape) for layer in model.layers)
    large = [output for output, shape in shapes if len(shape) == 4 and shape[1] >= LEAST]
    if not large:
        raise ValueError(f"{model.name}: no feature map of {LEAST} x {LEAST} or more to explain")
    split = keras.Model(inputs=model.inputs, outputs=[large[-1], model.layers[-1].input])
    kernel, bias = model.layers[-1].get_weights()
    maps = []
    for start in range(0, len(pictures), BATCH):
        films = tf.constant(pictures[start : start + BATCH, ..., np.newaxis], tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(films)
            feature_map, last = split(films, training=False)
            odds = tf.linalg.matmul(last, kernel) + bias
            target = sign[start : start + BATCH, np.newaxis].astype(np.float32) * odds
        weight = tf.reduce_mean(tape.gradient(target, feature_map), axis=(1, 2), keepdims=True)
        maps.append(tf.nn.relu(tf.reduce_sum(weight * feature_map, axis=-1)).numpy())
    return np.concatenate(maps)


def _on_film(maps: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Maps (n, h, w) of what lies in ``boxes`` (n, 4) as maps of the whole films."""
    films = np.zeros((len(maps), SIDE, SIDE), np.float32)
    for film, one, box in zip(films, maps, boxes, strict=True):
        top, bottom, left, right = (round(float(edge) * SIDE) for edge in box)
        size, image = (right - left, bottom - top), Image.fromarray(one.astype(np.float32))
        film[top:bottom, left:right] = image.resize(size, Image.Resampling.BILINEAR)
    return _normed(films)


def _normed(maps: np.ndarray) -> np.ndarray:
    total = maps.sum(axis=(1, 2), keepdims=True)
    return np.divide(maps, total, out=np.zeros_like(maps), where=total > 0)


def signs(ensemble: Ensemble, probability: np.ndarray) -> np.ndarray:
    """The call to be explained for each film: 1 for pneumonia, -1 for normal."""
    return np.where(probability >= ensemble.threshold, 1, -1)


def maps(ensemble: Ensemble, pictures: np.ndarray, found: Found) -> np.ndarray:
    """Grad-CAM of an ensemble's call on films (n, 224, 224) uint8, averaged over its members."""
    sign = signs(ensemble, ensemble.answers(pictures, found))
    seen, members, whole = ensemble.seen(pictures, found), [], [WHOLE_FILM] * len(pictures)
    for model, view in ensemble.members:
        boxes = whole if view.endswith("film") else found.boxes
        members.append(_on_film(grad_cam(model, seen[view], sign), boxes))
    return _normed(np.mean(members, axis=0))


def inside(maps: np.ndarray, lungs: np.ndarray) -> np.ndarray:
    """Share of each map (n, SIDE, SIDE) in the lungs (n, SIDE, SIDE) bool: (n,), NaN if empty."""
    total, kept = maps.sum(axis=(1, 2)), (maps * lungs).sum(axis=(1, 2))
    return np.divide(kept, total, out=np.full(len(maps), np.nan), where=total > 0)


def randomised(model: keras.Model, share: float, seed: int) -> keras.Model:
    """A copy with fresh weights in the upper ``share`` of its layers, always in the output."""
    keras.utils.set_random_seed(seed)
    copy = keras.models.clone_model(model)
    pairs = [pair for pair in zip(model.layers, copy.layers, strict=True) if pair[0].weights]
    for trained, other in pairs[: len(pairs) - max(1, round(share * len(pairs)))]:
        other.set_weights(trained.get_weights())
    return copy


def sanity_check(
    ensemble: Ensemble, pictures: np.ndarray, found: Found, share: float, seed: int
) -> np.ndarray:
    """Rank correlation of maps before and after randomising, (n,): the mean of the members'."""
    sign = signs(ensemble, ensemble.answers(pictures, found))
    seen, members = ensemble.seen(pictures, found), []
    for model, view in ensemble.members:  # each at its own size: what it does not see is left out
        pair = (grad_cam(m, seen[view], sign) for m in (model, randomised(model, share, seed)))
        before, after = (pd.DataFrame(of.reshape(len(of), -1)).rank(axis=1) for of in pair)
        members.append(before.corrwith(after, axis=1).fillna(0))  # none where one is constant
    return np.mean(members, axis=0)
