"""Where a network looks: Grad-CAM, occlusion, and what is left of a map without the weights.

Maps are (n, SIDE, SIDE) float, not negative, over the whole film; each sums to 1 unless nothing
on the film speaks for the call, then to 0.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from scipy import stats

from helpers.evaluation.calibration import logit
from helpers.models import views
from helpers.models.ensemble import Ensemble
from helpers.models.lungs import SIDE, Found

# A coarser map than 7 x 7 cannot tell a lung from the margin beside it.
LEAST = 7
BATCH = 64
TILES = 8  # occlusion: so many tiles a side, 28 pixels each
METHODS = ("Grad-CAM", "occlusion")


def _split(model: keras.Model) -> keras.Model:
    """The model with two outputs: its last feature map of LEAST or more, and its logit's input."""
    maps = [
        layer
        for layer in model.layers
        if len(layer.output.shape) == 4 and layer.output.shape[1] >= LEAST
    ]
    if not maps:
        raise ValueError(f"{model.name}: no feature map of {LEAST} x {LEAST} or more to explain")
    return keras.Model(inputs=model.inputs, outputs=[maps[-1].output, model.layers[-1].input])


def grad_cam(model: keras.Model, pictures: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Grad-CAM (Selvaraju et al. 2017) of films (n, side, side) uint8: (n, h, w), >= 0.

    The last feature map of at least LEAST x LEAST, its channels weighed by the mean gradient of
    ``sign`` (n,) times the logit of pneumonia: with 1 what speaks for pneumonia, with -1 what
    speaks against it.

    Raises:
        ValueError: the network has no such feature map.
    """
    split, (kernel, bias) = _split(model), model.layers[-1].get_weights()
    told = []
    for start in range(0, len(pictures), BATCH):
        films = tf.constant(pictures[start : start + BATCH, ..., np.newaxis], tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(films)
            feature_map, last = split(films, training=False)
            logit = tf.linalg.matmul(last, kernel) + bias
            target = sign[start : start + BATCH, np.newaxis].astype(np.float32) * logit
        weight = tf.reduce_mean(tape.gradient(target, feature_map), axis=(1, 2), keepdims=True)
        told.append(tf.nn.relu(tf.reduce_sum(weight * feature_map, axis=-1)).numpy())
    return np.concatenate(told)


def _resized(one: np.ndarray, rows: int, columns: int) -> np.ndarray:
    image = Image.fromarray(one.astype(np.float32))
    return np.maximum(np.asarray(image.resize((columns, rows), Image.Resampling.BILINEAR)), 0)


def _place(one: np.ndarray, box: np.ndarray | None) -> np.ndarray:
    """One map laid over the film (SIDE, SIDE): on its box, or on the whole where there is none."""
    if box is None:
        return _resized(one, SIDE, SIDE)
    top, bottom, left, right = (round(float(edge) * SIDE) for edge in box)
    film = np.zeros((SIDE, SIDE), np.float32)
    film[top:bottom, left:right] = _resized(one, bottom - top, right - left)
    return film


def _normed(maps: np.ndarray) -> np.ndarray:
    total = maps.sum(axis=(1, 2), keepdims=True)
    return np.divide(maps, total, out=np.zeros_like(maps), where=total > 0)


def signs(committee: Ensemble, probability: np.ndarray) -> np.ndarray:
    """The call to be explained for each film: 1 for pneumonia, -1 for normal."""
    return np.where(probability >= committee.threshold, 1, -1)


def maps(committee: Ensemble, pictures: np.ndarray, found: Found) -> np.ndarray:
    """Grad-CAM of the call a committee makes on films (n, 224, 224) uint8, mean of its members.

    Each member's map counts alike, laid on the part of the film that it sees.
    """
    seen = committee.seen(pictures, found)
    sign = signs(committee, committee.answers(pictures, found))
    told = []
    for model, view in committee.members:
        own = grad_cam(model, seen[view], sign)
        boxes = [None] * len(own) if view in views.WHOLE else found.boxes
        told.append(_normed(np.array([_place(*pair) for pair in zip(own, boxes, strict=True)])))
    return _normed(np.mean(told, axis=0))


def occlusion(committee: Ensemble, picture: np.ndarray, found: Found, row: int) -> np.ndarray:
    """How much each of TILES x TILES parts of one film speaks for the call: (SIDE, SIDE), >= 0.

    The fall of the call's log-odds when a part is painted in the film's mean tone (Zeiler and
    Fergus 2014). The lungs stay where ``found`` has them for film ``row``.
    """
    side = len(picture) // TILES
    films = np.repeat(picture[np.newaxis], TILES**2 + 1, axis=0)
    for tile in range(TILES**2):
        top, left = side * (tile // TILES), side * (tile % TILES)
        films[tile + 1, top : top + side, left : left + side] = round(float(picture.mean()))
    told = committee.answers(films, found.of(np.repeat(row, len(films))))
    odds = logit(told) * signs(committee, told)[0]
    fall = np.maximum(odds[0] - odds[1:], 0).reshape(1, TILES, TILES)
    return _normed(np.kron(fall, np.ones((SIDE // TILES, SIDE // TILES))))[0]


def inside(maps: np.ndarray, lungs: np.ndarray) -> np.ndarray:
    """Share of each map (n, SIDE, SIDE) that lies in the lungs (n, SIDE, SIDE) bool; NaN if empty.

    A map without aim has the lungs' share of the film.
    """
    total = maps.sum(axis=(1, 2))
    kept = np.where(lungs, maps, 0).sum(axis=(1, 2))
    return np.divide(kept, total, out=np.full(len(maps), np.nan), where=total > 0)


def ceiling(lungs: np.ndarray, fields: int = 8) -> np.ndarray:
    """Share inside the lungs (n, SIDE, SIDE) of a map that is the lungs, seen in coarse fields.

    What ``inside`` could give at best where a map has ``fields`` x ``fields`` values.
    """
    step = SIDE // fields
    coarse = lungs.reshape(-1, fields, step, fields, step).mean(axis=(2, 4))
    return inside(np.array([_resized(one, SIDE, SIDE) for one in coarse]), lungs)


# -- sanity check (Adebayo et al. 2018) ------------------------------------------------------

# How many of the layers with weights, from the output down, get fresh ones.
STAGES = {"output": 0.0, "upper half": 0.5, "all": 1.0}


def randomised(model: keras.Model, share: float, seed: int) -> keras.Model:
    """A copy with fresh weights in the upper ``share`` of its layers, the output always."""
    keras.utils.set_random_seed(seed)
    copy = keras.models.clone_model(model)
    pairs = [pair for pair in zip(model.layers, copy.layers, strict=True) if pair[0].weights]
    fresh = max(1, round(share * len(pairs)))
    for trained, other in pairs[: len(pairs) - fresh]:
        other.set_weights(trained.get_weights())
    return copy


def sanity_check(
    committee: Ensemble, pictures: np.ndarray, found: Found, share: float, seed: int
) -> np.ndarray:
    """Rank correlation of each film's maps with those after randomising, mean of the members.

    Each member's map at its own size, so that what it does not see counts for nothing; films
    on which a map is constant have no correlation and get 0.
    """
    seen = committee.seen(pictures, found)
    sign = signs(committee, committee.answers(pictures, found))
    told = []
    for model, view in committee.members:
        before = grad_cam(model, seen[view], sign)
        after = grad_cam(randomised(model, share, seed), seen[view], sign)
        told.append([_spearman(a, b) for a, b in zip(before, after, strict=True)])
    return np.mean(told, axis=0)


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(stats.spearmanr(first.ravel(), second.ravel()).statistic)
