"""Is it a frontal chest film at all, and one like those of the study? Accept, warn or refuse.

A small network knows three kinds: a film, also as another place would show it; a film with black
and white exchanged; anything else, learnt from what can be made: films turned, torn, cut to a part,
drawn limbs, noise, text. What it lets in must show two lungs that the segmentation is sure of.
Where one is cut off, or the film lies far from those of the training (Mahalanobis distance of the
network's features, Lee et al. 2018), it is judged with a warning. Photographs only judge it.
"""

import textwrap
from collections.abc import Callable, Mapping

import keras
import numpy as np
import pandas as pd
from keras import layers
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage, stats

from helpers.data import generators
from helpers.data.augmentation import Augmentation
from helpers.models import lungs
from helpers.models.classifiers import convolve

NAME = "input_check"  # of the record's folder
SIDE = 64
KINDS = ("film", "inverted", "other")
FILTERS, EPOCHS, SEED, BATCH = (16, 32, 64, 64), 16, 1, 64

# Shares of validation films beyond a limit: of films as they are and changed by ``elsewhere``, to
# refuse; of films as they are, to warn. A warning costs a second look, a wrong refusal an answer.
BEYOND = {"film": 0.005, "sure": 0.001, "distance": 0.01}
CUT = 0.1  # share of an edge of the film that lies in a lung: more, and the lung goes on beyond it

# As far as a real unit or an upload goes; chapter 9 asks how the networks take it.
MOVES = {"rotation": 15, "shift": 0.12, "zoom": 0.2, "mirror": True, "crop": 0.06, "frame": 0.12}
TONES = {"brightness": 0.15, "contrast": 0.6, "gamma": 0.7, "noise": 0.06, "sharpness": 1.0}
CHANGE = Augmentation(letters=0.2, **MOVES, **TONES)

# What is said of a film, the first that holds; "" where nothing is.
REFUSED = (
    "not an upright frontal chest film",
    "no lungs that stand out from the rest",
    "fewer than two lungs found; one may be missing or white throughout",
)
WARNED = ("a lung is cut off", "unlike the films it was trained on")


def network() -> keras.Model:
    """Four convolutions of stride 2, then a dense layer that knows up from down."""
    film = keras.Input(shape=(SIDE, SIDE, 1), name="film")
    x = layers.Rescaling(scale=1 / 255)(film)
    for filters in FILTERS:
        x = convolve(x, filters, strides=2)
    x = layers.Dropout(0.3)(layers.Flatten(name="features")(x))
    x = layers.Dropout(0.3)(layers.Dense(48, activation="relu")(x))
    return keras.Model(film, layers.Dense(len(KINDS), activation="softmax", name="kind")(x))


def measured(model: keras.Model, films: np.ndarray) -> keras.Model:
    """``network`` with a fourth output: squared Mahalanobis distance from films (n, SIDE, SIDE)."""
    # Of the last convolution's features, averaged over the film; a linear layer makes them white.
    pooled = layers.GlobalAveragePooling2D()(model.get_layer("features").input)
    batches = generators.test_set(films, batch_size=128)
    features = keras.Model(model.input, pooled).predict(batches, verbose=0)
    spread = np.cov(features.T) + 1e-3 * features.var() * np.eye(features.shape[1])
    white = np.linalg.cholesky(np.linalg.inv(spread))
    whiten = layers.Dense(len(white), name="white")
    x = whiten(pooled)
    whiten.set_weights([white, -features.mean(axis=0) @ white])
    x = layers.Concatenate()([model.output, layers.Dot(axes=1)([x, x])])
    return keras.Model(model.input, x)


# What is no film is made of one: each takes a film (SIDE, SIDE) uint8 and gives another picture.
def turned(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """On its side, askew or upside down, sometimes mirrored or inverted as well."""
    angle = rng.choice([90, 180, 270, rng.uniform(45, 315)], p=[0.25, 0.25, 0.25, 0.25])
    film = np.asarray(Image.fromarray(film).rotate(angle, Image.Resampling.BILINEAR))
    film = film[:, ::-1] if rng.random() < 0.5 else film
    return 255 - film if rng.random() < 0.2 else film


def torn(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut into tiles that are laid down in another order."""
    count = int(rng.choice([2, 4, 8]))
    size, order = SIDE // count, rng.permutation(count**2)
    order = order[::-1] if (order == np.sort(order)).all() else order
    tiles = film.reshape(count, size, count, size).swapaxes(1, 2).reshape(-1, size, size)
    tiles = tiles[order].reshape(count, count, size, size)
    return tiles.swapaxes(1, 2).reshape(SIDE, SIDE)


def part(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The upper or lower half, one lung, a quarter, or a small patch from anywhere, stretched."""
    kind = int(rng.integers(4))
    size = np.array([(0.5, 0.9), (0.9, 0.5), (0.5, 0.5), (0.25, 0.25)][kind])
    size *= rng.uniform(0.8, 1.1, 2)
    (top, left), (height, width) = (rng.random(2) if kind == 3 else rng.integers(2, size=2)), size
    top, left = top * (1 - height), left * (1 - width)
    return lungs.cut(film, (top, top + height, left, left + width), SIDE)


def limb(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Jointed bones side by side, bright rims about marrow, in flesh on dark ground; a texture."""
    size, count = 4 * SIDE, int(rng.choice([1, 2, 4, 5]))  # as in thigh, forearm, foot and hand
    ground, *tones = np.sort(rng.integers(0, 256, 4)) * [0.3, 1, 1, 1]
    image, place = Image.new("L", (size, size), int(ground)), np.arange(count) - (count - 1) / 2
    angles = rng.normal(0, 0.4) + rng.uniform(0, 0.4) * place + rng.normal(0, 0.15, (3, count))
    steps = rng.uniform(0.1, 0.5, (3, 1)) * size * np.array([np.sin(angles), -np.cos(angles)])
    width, start = rng.uniform(0.05, 0.3) * size / count**0.5, rng.uniform(0.3, [0.7, 1.2]) * size
    start = start[:, np.newaxis] + rng.uniform(1, 2) * width * np.array([place, 0 * place])
    bones = np.cumsum([start, *steps.swapaxes(0, 1)], axis=0)  # (joint, x and y, bone)
    pen, fat, marrow, knob = ImageDraw.Draw(image), *rng.uniform([1.2, 0.4, 0.4], [4, 0.9, 0.8])
    for share, tone in zip((fat, 1, marrow), (tones[0], tones[2], tones[1]), strict=True):
        for bone in bones.transpose(2, 0, 1):
            pen.line(bone.ravel().tolist(), fill=int(tone), width=max(1, int(share * width)))
            for joint in bone.tolist():
                pen.circle(joint, share * knob * width, fill=int(tone))
    grain = part(film, rng)
    drawn = image.filter(ImageFilter.GaussianBlur(rng.uniform(1, 6))).resize((SIDE, SIDE))
    made = np.asarray(drawn) * (1 + rng.uniform(0, 1 / 128) * (grain - grain.mean()))
    return np.clip(made, 0, 255).astype(np.uint8)


def noise(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise from white to brown: the spectrum of most natural pictures lies between."""
    distance = np.hypot(*np.meshgrid(*(np.fft.fftfreq(SIDE),) * 2)) + 1 / SIDE
    wave = np.fft.fft2(rng.normal(size=(SIDE, SIDE))) / distance ** rng.uniform(0, 2.2)
    field = stats.zscore(np.real(np.fft.ifft2(wave)), axis=None)
    return np.clip(128 + rng.uniform(20, 90) * field, 0, 255).astype(np.uint8)


def page(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Dark text on light paper, or the other way round."""
    image = Image.new("L", (4 * SIDE, 4 * SIDE), int(rng.integers(180, 256)))
    size, tone = int(rng.integers(8, 28)), int(rng.integers(0, 120))
    letters = rng.choice(list("aeilnorstu   "), 130_000 // size**2)  # as many as fill a page
    text, place = textwrap.fill("".join(letters), 500 // size), rng.integers(2, 50, 2).tolist()
    ImageDraw.Draw(image).text(place, text, fill=tone, font_size=size)
    made = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    return 255 - made if rng.random() < 0.3 else made


def elsewhere(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same from another place: tone curve, uneven light, a wider field or a frame."""
    levels, size = np.linspace(0, 255, 5), picture.shape
    curve = levels + rng.uniform(0, 0.7) * (np.sort(rng.uniform(0, 255, 5)) - levels)
    light = Image.fromarray(rng.normal(0, rng.uniform(0, 25), (3, 3)).astype(np.float32))
    light = light.resize(size, Image.Resampling.BICUBIC)
    picture = np.clip(np.interp(picture, levels, curve) + light, 0, 255).astype(np.uint8)
    margins = rng.uniform(0, 0.3, (2, 2)) * (rng.random((2, 2)) < 0.6) * len(picture)
    plain = {"constant_values": rng.choice([0, 255, rng.integers(256)], p=[0.3, 0.5, 0.2])}
    how = {"mode": "edge"} if rng.random() < 0.5 else plain
    wide = Image.fromarray(np.pad(picture, margins.astype(int), **how))
    return np.asarray(wide.resize(size, Image.Resampling.BILINEAR))


# How many of each for a hundred films.
MAKERS = {turned: 90, torn: 30, part: 80, limb: 80, noise: 20, page: 20}


def lesson(films: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (m, SIDE, SIDE) uint8 and their kind, made from films (n, s, s) uint8."""
    rng, small = np.random.default_rng(SEED), lungs.resized(films, SIDE)
    others = [
        maker(small[row], rng)
        for maker, share in MAKERS.items()
        for row in rng.integers(0, len(small), max(1, share * len(small) // 100))
    ]
    others = [elsewhere(one, rng) if rng.random() < 0.6 else one for one in others]
    away = np.array([elsewhere(film, rng) for film in np.concatenate([small, small])])
    made = small, away, 255 - small[::4], 255 - away[::4], np.array(others, dtype=np.uint8)
    return np.concatenate(made), np.repeat([0, 0, 1, 1, 2], [len(kind) for kind in made])


def fit(films: np.ndarray) -> keras.Model:
    """Train on training films (n, s, s) uint8 and on what was made of them."""
    keras.utils.set_random_seed(SEED)
    pictures, kind = lesson(films)
    model, steps = network(), generators.steps_per_epoch(len(pictures), BATCH)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps * EPOCHS)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-2)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", jit_compile=False)
    batches = generators.train_set(
        pictures, kind, batch_size=BATCH, epochs=EPOCHS, seed=SEED, augmentation=CHANGE
    )
    model.fit(batches, epochs=EPOCHS, steps_per_epoch=steps, shuffle=False, verbose=0)
    return measured(model, lungs.resized(films, SIDE))


def put_right(
    network: Callable[[np.ndarray], np.ndarray], pictures: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Films (n, s, s) uint8, those inverted put right; which were; ``network``'s answers (n, 4)."""
    answers = network(lungs.resized(pictures, SIDE))
    inverted = answers[:, : len(KINDS)].argmax(axis=1) == KINDS.index("inverted")
    if inverted.any():
        pictures = np.where(inverted[:, np.newaxis, np.newaxis], 255 - pictures, pictures)
        answers = network(lungs.resized(pictures, SIDE))
    return pictures, inverted, answers


def signs(answers: np.ndarray, lung: np.ndarray) -> pd.DataFrame:
    """What a verdict rests on, a row a film: film, distance, sure, lungs, cut.

    From the network's ``answers`` (n, 4): probability of a film, and distance; from the probability
    of ``lung`` (n, s, s): how sure it is (0 to 1), its parts, their share of an edge of the film.
    """
    masks = np.array([lungs.largest(one >= 0.5) for one in lung])
    edges = [masks[:, 0], masks[:, -1], masks[:, :, 0], masks[:, :, -1]]
    somewhere = (lung > 0.1) + 1e-6
    found = {
        "film": answers[:, 0],
        "distance": answers[:, len(KINDS)],
        "sure": np.average(np.abs(2 * lung - 1), axis=(1, 2), weights=somewhere),
        "lungs": [ndimage.label(mask)[1] for mask in masks],
        "cut": np.max([edge.mean(axis=1) for edge in edges], axis=0),
    }
    return pd.DataFrame(found)


def verdicts(seen: pd.DataFrame, limits: Mapping[str, float]) -> list[str]:
    """For each row of ``signs`` one of ``REFUSED`` or of ``WARNED``, or "": accepted."""
    doubt = seen["film"] < limits["film"], seen["sure"] < limits["sure"]
    refused = *doubt, seen["lungs"] < 2  # hardly a training or validation film shows one alone
    warned = seen["cut"] > CUT, seen["distance"] > limits["distance"]
    return np.select([*refused, *warned], [*REFUSED, *WARNED], default="").tolist()


def look(model: keras.Model, segmentation: keras.Model, pictures: np.ndarray) -> pd.DataFrame:
    """``signs`` of films (n, s, s) uint8; inverted: those that were put right."""

    def answers(small: np.ndarray) -> np.ndarray:
        return model.predict(generators.test_set(small, batch_size=128), verbose=0)

    pictures, inverted, said = put_right(answers, np.asarray(pictures))
    return signs(said, lungs.segment(segmentation, pictures)).assign(inverted=inverted)


def refusal_table(facts: Mapping[str, object]) -> pd.DataFrame:
    """Share refused of what ``benchmarks.checking`` judged: value, low, high, pictures."""
    table = pd.DataFrame({"value": facts["refused"], "pictures": facts["pictures"]})
    found = [stats.binomtest(round(v * n), int(n)) for v, n in table.to_numpy()]
    table[["low", "high"]] = [test.proportion_ci() for test in found]  # Clopper, Pearson
    return table[["value", "low", "high", "pictures"]]


def learn(
    films: pd.DataFrame, pictures: np.ndarray, segmentation: keras.Model
) -> tuple[keras.Model, dict[str, object]]:
    """Train on training films, take the limits from validation films: the network, and facts.

    ``films`` needs part, ``pictures`` (n, s, s) uint8 in its order.
    """
    own, known = (pictures[films["part"] == part] for part in ("training", "validation"))
    model, rng = fit(own), np.random.default_rng(SEED)
    away = np.array([elsewhere(film, rng) for film in known])
    plain, changed = (look(model, segmentation, of) for of in (known, away))
    let_in = pd.concat([plain, changed])
    limits = {sign: float(let_in[sign].quantile(BEYOND[sign])) for sign in ("film", "sure")}
    limits["distance"] = float(plain["distance"].quantile(1 - BEYOND["distance"]))
    return model, {"limits": limits, "parameters": model.count_params()}
