"""Anybody's films: a probability, a decision, or a named refusal. Films are streamed.

The probability is the final network's own, the mean of its members: chapter 8 shows that a
calibration fitted on validation films does not hold on films of another batch.
"""

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain, islice, pairwise
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from helpers import config, tasks
from helpers.data import dataset, images
from helpers.evaluation import decisions, thresholds
from helpers.models import input_check, lungs
from helpers.models.lungs import Found
from helpers.training import record
from helpers.training.study import Study

BATCH = 32  # films judged at once: memory does not grow with their number
AHEAD = 32  # batches handed to a pool before the first of them is back


@dataclass(frozen=True)
class Answer:
    """What is said of one film; ``error`` names the reason where nothing is.

    ``probability`` of pneumonia; ``decision`` PNEUMONIA or NORMAL at the operating point;
    ``refer``: ask a radiologist, for the band of chapter 9 or a warning puts the film in doubt.
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
        facts = {name: value for name, value in vars(self).items() if name != "seen"}
        return facts | {"warnings": list(self.warnings)}


Seen = dict[str, np.ndarray]  # films (n, side, side) uint8 by view


def swift(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """The network as one compiled function of films (n, side, side) uint8, for any n."""
    shape = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
    call = tf.function(lambda films: model(films, training=False), input_signature=[shape])
    return lambda films: call(tf.constant(films[..., np.newaxis], tf.float32)).numpy()


def together(members: Sequence[tuple[keras.Model, str]]) -> Callable[[Seen], np.ndarray]:
    """All members, side by side, as one compiled function of what each sees: (members, n)."""
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
    validation films with pneumonia. RecordError: a network is not recorded or damaged. ValueError:
    both are given, or one that is not between 0 and 1.
    """

    def __init__(
        self,
        threshold: float | None = None,
        sensitivity: float | None = None,
        root: Path = config.RESULTS,
    ) -> None:
        self.root, final = root, Study(results=root).run("final")
        validation = final.scores("validation")
        given = [value for value in (threshold, sensitivity) if value is not None]
        if len(given) == 2 or not all(0 < value < 1 for value in given):
            reason = "give a threshold or a sensitivity, not both, between 0 and 1"
            raise ValueError(f"{given}: {reason}")
        self.threshold = final.threshold if threshold is None else threshold
        if sensitivity is not None:
            self.threshold = thresholds.operating_threshold(validation, sensitivity)
        self.ensemble = replace(final.ensemble(), threshold=self.threshold)
        self.band = decisions.referral_band(validation)
        self.least = float(record.read_facts(root, input_check.NAME)["threshold"])
        self._kinds = swift(record.load_network(root, input_check.NAME))
        self._lungs = swift(record.load_network(root, lungs.NAME))
        self._members = together(self.ensemble.members)

    def answers(
        self, paths: Iterable[Path | str], keep: bool = False, pool: Executor | None = None
    ) -> Iterator[Answer]:
        """One answer a path, in order, when its batch is judged (by ``pool``); ``keep`` pixels."""
        waiting = iter(paths)
        batches = iter(lambda: list(islice(waiting, BATCH)), [])
        if pool is not None:
            given = self.root, self.threshold, keep, os.getcwd()
            work = ((*given, [(str(p), os.path.exists(p)) for p in batch]) for batch in batches)
            yield from chain.from_iterable(tasks.in_order(pool, _judged_there, work, AHEAD))
            return
        with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
            reading = (threads.map(_read, batch) for batch in batches)
            for now, _ in pairwise(chain(reading, [None])):  # while the next batch is being read
                yield from self._judge(list(now), keep)

    def _judge(self, read: list[tuple[Answer, images.Picture | None]], keep: bool) -> list[Answer]:
        """Answers to a batch of what was read, refusals among them."""
        answers = [answer for answer, _ in read]
        rows = [row for row, answer in enumerate(answers) if answer.error is None]
        if not rows:
            return answers
        pixels, inverted, refused = self._check(np.array([read[row][1].pixels for row in rows]))
        found = lungs.found(self._lungs(lungs.resized(pixels, lungs.SIDE))[..., 0])
        probability = self._members(self.ensemble.seen(pixels, found)).mean(0, dtype=np.float64)
        for place, row in enumerate(rows):
            path, picture = answers[row].path, read[row][1]
            if refused[place]:
                reason = "not an upright frontal chest film"
                answers[row] = Answer(path, error=f"{Path(path).name}: {reason}")
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

    def _check(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The input check: films, those inverted put right; which were; which are no film."""
        kind = self._kinds(lungs.resized(pixels, input_check.SIDE))
        inverted = kind.argmax(axis=1) == input_check.KINDS.index("inverted")
        if inverted.any():
            pixels = np.where(inverted[:, np.newaxis, np.newaxis], 255 - pixels, pixels)
            kind = self._kinds(lungs.resized(pixels, input_check.SIDE))
        return pixels, inverted, kind[:, 0] < self.least


def _read(path: Path | str) -> tuple[Answer, images.Picture | None]:
    """The picture in ``path``, and what is said of it so far: nothing, or why there is none."""
    try:
        return Answer(str(path)), images.read(path)
    except dataset.FilmError as error:
        return Answer(str(path), error=str(error)), None


@functools.cache
def predictor(threshold: float | None = None, root: Path = config.RESULTS) -> Predictor:
    """The recorded final network, loaded once."""
    return Predictor(threshold, root=root)


def _judged_there(
    root: Path, threshold: float, keep: bool, here: str, films: list[tuple[str, bool]]
) -> list[Answer]:
    """A worker's answers to ``films``: paths from the folder ``here``, and whether they exist."""
    paths = [Path(here, name) for name, _ in films]
    for path, (_, there) in zip(paths, films, strict=True):
        if there and not os.path.exists(path):
            raise RuntimeError(f"{path}: a worker cannot see it; it must share the file system")
    answers = predictor(threshold, root).answers(paths, keep)
    return [replace(answer, path=name) for answer, (name, _) in zip(answers, films, strict=True)]


def predict(path: Path | str | None = None) -> Answer:
    """What the final network says of one film; of a packaged test film where none is named."""
    return next(predictor().answers([example() if path is None else path], keep=True))


def example() -> Path:
    """A packaged test film with pneumonia, always the same; FilmError without the package."""
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
                files = [Path(folder, one) for one in sorted(names) if not one.startswith("._")]
                yield from (file for file in files if file.suffix.lower() in images.SUFFIXES)
        else:
            yield Path(name)
