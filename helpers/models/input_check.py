"""Is it a frontal chest film at all? A small network that learnt what a film of this study is.

It knows three kinds: a film; a film with black and white exchanged; anything else, learnt from what
can be made: films turned, torn, magnified, noise, text, drawings. Photographs only judge it.
"""

import importlib.util
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import layers
from PIL import Image, ImageDraw
from scipy import stats

from helpers import config
from helpers.data import generators
from helpers.data.augmentation import Augmentation
from helpers.models import lungs
from helpers.models.classifiers import convolve

NAME = "gate"  # of the record's folder
SIDE = 64
KINDS = ("film", "inverted", "other")
EPOCHS, SEED, BATCH = 12, 1, 64

REFUSED = 0.003  # of validation films; a wrong refusal costs a second look

# As far as a real unit or an upload goes; chapter 9 asks how the networks take it.
MOVES = {"rotation": 15, "shift": 0.12, "zoom": 0.2, "mirror": True}
TONES = {"brightness": 0.15, "contrast": 0.6, "gamma": 0.7, "noise": 0.06, "sharpness": 1.0}
CHANGE = Augmentation(**MOVES, **TONES)


def network() -> keras.Model:
    """Four convolutions of stride 2, then a dense layer that knows up from down."""
    film = keras.Input(shape=(SIDE, SIDE, 1), name="film")
    x = layers.Rescaling(scale=1 / 255)(film)
    for filters in (16, 32, 48, 32):
        x = convolve(x, filters, strides=2)
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    x = layers.Dropout(0.3)(layers.Dense(48, activation="relu")(x))
    return keras.Model(film, layers.Dense(len(KINDS), activation="softmax", name="kind")(x))


# What is no film is made of one: each takes a film (SIDE, SIDE) uint8 and gives another picture.
def turned(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """On its side or upside down, sometimes mirrored or inverted as well."""
    film = np.rot90(film, k=rng.integers(1, 4))
    film = film[:, ::-1] if rng.random() < 0.5 else film
    return 255 - film if rng.random() < 0.2 else film


def torn(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut into tiles that are laid down in another order."""
    count = int(rng.choice([2, 4, 8]))
    size = SIDE // count
    tiles = film.reshape(count, size, count, size).swapaxes(1, 2).reshape(-1, size, size)
    tiles = rng.permutation(tiles).reshape(count, count, size, size)
    return tiles.swapaxes(1, 2).reshape(SIDE, SIDE)


def magnified(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A small part of a film, enlarged: texture, no chest."""
    size = 1 / rng.uniform(3, 6)
    top, left = rng.uniform(0, 1 - size, 2)
    return lungs.cut(film, (top, top + size, left, left + size), SIDE)


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


def drawing(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A slope of grey with discs, boxes and lines on it."""
    slope = np.add.outer(*(np.linspace(0, rng.uniform(-120, 120), SIDE) for _ in "xy"))
    image = Image.fromarray(np.clip(slope + rng.uniform(30, 220), 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 9))):
        start, end = np.sort(rng.integers(-10, SIDE + 10, (2, 2)), axis=0).tolist()
        shape = (pen.ellipse, pen.rectangle, pen.line)[int(rng.integers(3))]
        shape((*start, *end), fill=int(rng.integers(0, 256)))
    return np.asarray(image)


def doubled(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two turned films laid over each other, as of another part of the body."""
    other = np.roll(np.rot90(film, k=rng.integers(1, 4)), rng.integers(8, 56), axis=(0, 1))
    share = rng.uniform(0.3, 0.7)
    return (share * turned(film, rng) + (1 - share) * other).astype(np.uint8)


# How many of each for a hundred films.
MAKERS = {turned: 90, torn: 30, magnified: 20, noise: 20, page: 20, drawing: 20, doubled: 20}


def lesson(films: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (m, SIDE, SIDE) uint8 and their kind, made from films (n, s, s) uint8."""
    rng, small = np.random.default_rng(SEED), lungs.resized(films, SIDE)
    others = [
        maker(small[row], rng)
        for maker, share in MAKERS.items()
        for row in rng.integers(0, len(small), max(1, share * len(small) // 100))
    ]
    made = small, 255 - small[::2], np.array(others, dtype=np.uint8)
    return np.concatenate(made), np.repeat([0, 1, 2], [len(kind) for kind in made])


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
    return model


def kinds(model: keras.Model, pictures: np.ndarray) -> np.ndarray:
    """Probability of each of KINDS for films (n, s, s) uint8: (n, 3)."""
    small = lungs.resized(pictures, SIDE)
    return model.predict(generators.test_set(small, batch_size=128), verbose=0)


def photographs() -> dict[str, np.ndarray]:
    """Grey squares (224, 224) uint8 of the pictures in scikit-image, by name; none without it."""
    spec = importlib.util.find_spec("skimage")
    paths = Path(spec.origin).with_name("data").glob("*.[pj][np]g") if spec else ()
    grey = {path.name: Image.open(path).convert("L") for path in sorted(paths)}
    square, bilinear = (config.SOURCE_SIZE, config.SOURCE_SIZE), Image.Resampling.BILINEAR
    return {name: np.asarray(image.resize(square, bilinear)) for name, image in grey.items()}


def judge(model: keras.Model, least: float, films: np.ndarray) -> dict[str, float]:
    """Shares refused of films (n, s, s) uint8 and of what is no film, below ``least``; inverted."""
    rng, small = np.random.default_rng(7), lungs.resized(films, SIDE)
    shown = {
        "films": films,
        "turned left": np.rot90(films, 1, (1, 2)),
        "turned right": np.rot90(films, 3, (1, 2)),
        "upside down": np.rot90(films, 2, (1, 2)),
        "noise": np.array([noise(film, rng) for film in small]),
        "pages of text": np.array([page(film, rng) for film in small]),
        "photographs": np.array(list(photographs().values())),
    }
    refused = {what: kinds(model, of)[:, 0] < least for what, of in shown.items() if len(of)}
    refused["inverted, recognised"] = kinds(model, 255 - films).argmax(axis=1) == 1
    return {what: float(share.mean()) for what, share in refused.items()}


def refusal_table(facts: Mapping[str, object]) -> pd.DataFrame:
    """What ``learn`` recorded, a row a kind: value (share refused), low, high, pictures.

    Exact binomial limits (Clopper and Pearson 1934), counting pictures.
    """
    rows = {}
    for what, share in facts["refused"].items():
        count = facts["photographs"] if what == "photographs" else facts["test_films"]
        limits = stats.binomtest(round(share * count), count).proportion_ci(method="exact")
        rows[what] = {"value": share, "low": limits.low, "high": limits.high, "pictures": count}
    return pd.DataFrame(rows).T.astype({"pictures": int})


def learn(films: pd.DataFrame, pictures: np.ndarray) -> tuple[keras.Model, dict[str, object]]:
    """Train on training films; threshold from validation films; judged on test films.

    ``films`` needs part, ``pictures`` (n, s, s) uint8 in its order. Returns network and facts.
    """
    part, start = films["part"], time.perf_counter()
    model = fit(pictures[part == "training"])
    seconds, test = round(time.perf_counter() - start, 1), pictures[part == "test"]
    let_in = kinds(model, pictures[part == "validation"])[:, 0]
    least = round(float(np.quantile(let_in, REFUSED)), 6)  # a film of less is refused
    return model, {
        "threshold": least,
        "parameters": model.count_params(),
        "training_seconds": seconds,
        "test_films": len(test),
        "photographs": len(photographs()),
        "refused": judge(model, least, test),
    }
