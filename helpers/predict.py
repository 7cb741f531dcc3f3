"""Anybody's films: a probability, a decision, or a named refusal. Films are streamed.

What is said of a film is the final network's own probability, the mean of its members: chapter 8
shows that a calibration fitted on validation films does not hold on films of another batch.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from helpers import config
from helpers.data import dataset, images
from helpers.data.dataset import FilmError
from helpers.evaluation import decisions, thresholds
from helpers.models import input_check, lungs
from helpers.models.lungs import Found
from helpers.training import record
from helpers.training.study import Study

BATCH = 32  # films judged at once: memory does not grow with their number


@dataclass(frozen=True)
class Answer:
    """What is said of one film; ``error`` names the reason where nothing is.

    ``probability`` of pneumonia, 0 to 1; ``decision`` PNEUMONIA or NORMAL at the operating point;
    ``refer``: ask a radiologist, because the probability lies in the band of chapter 9 or a
    warning puts the film in doubt.
    """

    path: str
    probability: float | None = None
    decision: str | None = None
    refer: bool | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    seen: tuple[np.ndarray, Found] | None = field(default=None, repr=False, compare=False)

    def facts(self) -> dict[str, object]:
        """Everything but the pixels, as plain data."""
        told = asdict(self, dict_factory=lambda pairs: {k: v for k, v in pairs if k != "seen"})
        return told | {"warnings": list(self.warnings)}


Swift = Callable[[np.ndarray], np.ndarray]
Seen = dict[str, np.ndarray]  # films (n, side, side) uint8 by view


def swift(model: keras.Model) -> Swift:
    """The network as one compiled function of films (n, side, side) uint8, for any n."""
    shape = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
    call = tf.function(lambda films: model(films, training=False), input_signature=[shape])
    return lambda films: call(tf.constant(films[..., np.newaxis], tf.float32)).numpy()


def together(members: Sequence[tuple[keras.Model, str]]) -> Callable[[Seen], np.ndarray]:
    """All members as one compiled function of what their views show: answers (members, n).

    One call for all, in which TensorFlow asks them side by side.
    """
    shapes = {view: (None, *model.input_shape[1:]) for model, view in members}
    wanted = {view: tf.TensorSpec(shape, tf.float32) for view, shape in shapes.items()}

    @tf.function(input_signature=[wanted])
    def call(seen: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.stack([model(seen[view], training=False)[:, 0] for model, view in members])

    def answers(seen: Seen) -> np.ndarray:
        films = {view: tf.constant(seen[view][..., np.newaxis], tf.float32) for view in wanted}
        return call(films).numpy()

    return answers


class Predictor:
    """The recorded final network with all it needs, ready for films.

    ``threshold`` sets another operating point; ``sensitivity`` one that keeps this share of the
    validation films with pneumonia.

    Raises:
        RecordError: a network is not recorded or damaged.
        ValueError: both given, or outside 0 to 1.
    """

    def __init__(
        self,
        threshold: float | None = None,
        sensitivity: float | None = None,
        root: Path = config.RESULTS,
    ) -> None:
        final = Study(results=root).run("final")
        validation = final.scores("validation")
        self.threshold = _operating_point(final.threshold, validation, threshold, sensitivity)
        self.committee = replace(final.ensemble(), threshold=self.threshold)
        self.band = decisions.referral_band(validation)
        self.least = float(record.read_facts(root, input_check.NAME)["threshold"])
        self._gate = swift(record.load_network(root, input_check.NAME))
        self._lungs = swift(record.load_network(root, lungs.NAME))
        self._members = together(self.committee.members)

    def answers(self, paths: Iterable[Path | str], keep: bool = False) -> Iterator[Answer]:
        """One answer a path, in order, as soon as its batch is done; ``keep`` the pixels."""
        waiting = iter(paths)
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            ahead = [pool.submit(_read, path) for path in islice(waiting, BATCH)]
            while ahead:
                now, ahead = ahead, [pool.submit(_read, path) for path in islice(waiting, BATCH)]
                yield from self._judge([one.result() for one in now], keep)

    def one(self, path: Path | str) -> Answer:
        """The answer to one film, with its pixels."""
        return next(self.answers([path], keep=True))

    def _judge(self, read: list[tuple[str, images.Picture | str]], keep: bool) -> list[Answer]:
        """Answers to a batch of what was read, refusals among them."""
        answers = [
            Answer(path, error=told if isinstance(told, str) else None) for path, told in read
        ]
        rows = [row for row, (_, told) in enumerate(read) if not isinstance(told, str)]
        if not rows:
            return answers
        pixels = np.array([read[row][1].pixels for row in rows])
        pixels, inverted, refused = self._check(pixels)
        found = lungs.found(self._lungs(lungs.resized(pixels, lungs.SIDE))[..., 0])
        probability = self._probability(pixels, found)
        for place, row in enumerate(rows):
            path, picture = read[row]
            if refused[place]:
                answers[row] = Answer(path, error=f"{Path(path).name}: {refused[place]}")
                continue
            doubts = ["black and white were exchanged"] * bool(inverted[place])
            doubts += ["lungs not found, the whole film was judged"] * (not found.ok[place])
            answers[row] = Answer(
                path,
                probability=round(float(probability[place]), 4),
                decision=config.LABELS[int(probability[place] >= self.threshold)],
                refer=bool(doubts or self.band.refers(probability[[place]])[0]),
                warnings=(*picture.notes, *doubts),
                seen=(pixels[place], found.of([place])) if keep else None,
            )
        return answers

    def _check(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """The input check: films, those inverted put right; which were; why one is refused."""

        def ask(films: np.ndarray) -> np.ndarray:
            return self._gate(lungs.resized(films, input_check.SIDE))

        kind = ask(pixels)
        inverted = kind.argmax(axis=1) == input_check.KINDS.index("inverted")
        if inverted.any():
            pixels = np.where(inverted[:, np.newaxis, np.newaxis], 255 - pixels, pixels)
            kind = ask(pixels)
        refused = [
            "" if one[0] >= self.least else "not an upright frontal chest film" for one in kind
        ]
        return pixels, inverted, refused

    def _probability(self, pixels: np.ndarray, found: Found) -> np.ndarray:
        seen = self.committee.seen(pixels, found)
        return np.mean(self._members(seen), axis=0, dtype=np.float64)


def _operating_point(
    recorded: float, validation: object, threshold: float | None, sensitivity: float | None
) -> float:
    if threshold is not None and sensitivity is not None:
        raise ValueError("give a threshold or a sensitivity, not both")
    for name, value in (("threshold", threshold), ("sensitivity", sensitivity)):
        if value is not None and not 0 < value < 1:
            raise ValueError(f"{name} {value}: must lie between 0 and 1")
    if sensitivity is not None:
        return thresholds.operating_threshold(validation, sensitivity)
    return recorded if threshold is None else threshold


def _read(path: Path | str) -> tuple[str, images.Picture | str]:
    """A path and its picture, or the reason why there is none."""
    try:
        return str(path), images.read(path)
    except FilmError as error:
        return str(path), str(error)


@functools.cache
def predictor() -> Predictor:
    """The recorded final network, loaded once."""
    return Predictor()


def predict(path: Path | str | None = None) -> Answer:
    """What the final network says of one film; of a packaged test film where none is named."""
    return predictor().one(example() if path is None else path)


def example() -> Path:
    """A test film with pneumonia that everybody has, always the same.

    Raises:
        FilmError: the package with the films is not installed.
    """
    films = dataset.packaged().table.query("part == 'test' and label == 'PNEUMONIA'")
    return Path(films.sample(1, random_state=config.SEED)["path"].iloc[0])


def films_in(paths: Iterable[str], listed: Iterable[str] = ()) -> Iterator[Path]:
    """The files that ``paths`` name: files as they are, folders' pictures in order of their names.

    "-" stands for the lines of ``listed``. Links to folders are not followed.
    """
    for name in paths:
        if name == "-":
            yield from films_in(line.rstrip("\r\n") for line in listed if line.strip())
        elif Path(name).is_dir():
            for folder, below, names in os.walk(name):
                below.sort()
                yield from (
                    Path(folder) / one
                    for one in sorted(names)
                    if Path(one).suffix.lower() in images.SUFFIXES and not one.startswith("._")
                )
        else:
            yield Path(name)
