"""Anybody's films: a probability, a decision, or a named refusal. Films are streamed.

The probability is the final network's own, the mean of its members: chapter 8 shows that a
calibration fitted on validation films does not hold on films of another batch.
"""

import codecs
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain, islice, pairwise, repeat
from pathlib import Path
from typing import BinaryIO

import keras
import numpy as np
import tensorflow as tf

from helpers import config, tasks
from helpers.data import dataset, images, levels
from helpers.evaluation import decisions, thresholds
from helpers.models import input_check, lungs
from helpers.models.lungs import Found
from helpers.training import record
from helpers.training.study import Study

BATCH = 32  # films judged at once: memory does not grow with their number
FEW = 4  # films for which no network is compiled
AHEAD = 32  # batches handed to a pool before the first of them is back

COLUMNS = ("path", "probability", "decision", "refer", "warnings", "error")
# By these a table and a drawing show that ``predict`` wrote them: in a folder they are no films.
TABLE, DRAWING = f"{','.join(COLUMNS)}\r\n".encode(), b"python -m helpers predict --explain"
LITTER = {".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX"}  # what systems leave in folders


@dataclass(frozen=True)
class Answer:
    """What is said of one film."""

    path: str
    probability: float | None = None  # of pneumonia
    decision: str | None = None  # PNEUMONIA or NORMAL at the operating point
    refer: bool | None = None  # to a radiologist: it lies in the band, or a warning casts doubt
    warnings: tuple[str, ...] = ()
    error: str | None = None  # why nothing is said
    seen: tuple[np.ndarray, Found] | None = field(default=None, repr=False, compare=False)

    def facts(self) -> dict[str, object]:
        """Everything but the pixels, as plain data."""
        return {name: getattr(self, name) for name in COLUMNS} | {"warnings": list(self.warnings)}


Seen = dict[str, np.ndarray]  # films (n, side, side) uint8 by view


def together(networks: Sequence[tuple[keras.Model, str]]) -> Callable[[Seen], np.ndarray]:
    """Networks side by side as one function of what each sees: (networks, n, …) float32."""
    shapes = {view: (None, *model.input_shape[1:]) for model, view in networks}
    wanted = {view: tf.TensorSpec(shape, tf.float32) for view, shape in shapes.items()}

    def call(seen: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.stack([model(seen[view], training=False) for model, view in networks])

    compiled = tf.function(call, input_signature=[wanted], autograph=False)
    calls = chain([call], repeat(compiled))  # the first few films wait for no compiler

    def answers(seen: Seen) -> np.ndarray:
        films = {view: seen[view][..., np.newaxis].astype(np.float32) for view in wanted}
        few = len(seen[networks[0][1]]) <= FEW
        return (next(calls) if few else compiled)(films).numpy()

    return answers


class Predictor:
    """The recorded final network with all it needs, ready for films.

    ``threshold`` sets another operating point; ``sensitivity`` one that keeps this share of the
    validation films with pneumonia. RecordError: a network is not recorded or damaged. ValueError:
    both are given, or one that is not between 0 and 1.
    """

    def __init__(self, threshold: float | None = None, sensitivity: float | None = None) -> None:
        final, root = Study().run("final"), config.RESULTS
        unseen = final.unseen
        given = [value for value in (threshold, sensitivity) if value is not None]
        if len(given) == 2 or not all(0 < value < 1 for value in given):
            reason = "give a threshold or a sensitivity, not both, between 0 and 1"
            raise ValueError(f"{given}: {reason}")
        self.threshold = final.threshold if threshold is None else threshold
        if sensitivity is not None:
            self.threshold = thresholds.operating_threshold(unseen, sensitivity)
        self.ensemble = replace(final.ensemble(), threshold=self.threshold)
        self.band = decisions.referral_band(unseen).reaching(self.threshold)
        self.limits = record.read_facts(root, input_check.NAME)["limits"]
        kinds = together([(record.load_network(root, input_check.NAME), "film")])
        self._kinds = lambda films: kinds({"film": films})[0]
        self._lungs = together([(record.load_network(root, lungs.NAME), "film")])
        self._members = together(self.ensemble.members)

    def answers(
        self, paths: Iterable[Path | str], keep: bool = False, pool: Executor | None = None
    ) -> Iterator[Answer]:
        """One answer a path, in order, when its batch is judged (by ``pool``); ``keep`` pixels."""
        waiting = iter(paths)
        batches = iter(lambda: list(islice(waiting, BATCH)), [])
        if pool is not None:
            given = self.threshold, keep, os.getcwd()
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
        pixels = np.array([read[row][1].pixels for row in rows])
        pixels, inverted, kinds = input_check.put_right(self._kinds, pixels)
        lung = self._lungs({"film": lungs.resized(levels.filled(pixels), lungs.SIDE)})[0, ..., 0]
        found = lungs.found(lung)
        said = input_check.verdicts(input_check.signs(kinds, lung), self.limits)
        probability = self._members(self.ensemble.seen(pixels, found)).mean(0, np.float64)[:, 0]
        for place, row in enumerate(rows):
            path, picture = answers[row].path, read[row][1]
            if said[place] in input_check.REFUSED:
                answers[row] = _refused(path, said[place])
                continue
            doubts = [*picture.doubts, *["black and white were exchanged"] * bool(inverted[place])]
            doubts += ["lungs not found, the whole film was judged"] * (not found.ok[place])
            doubts += [said[place]] * (said[place] != "")
            answers[row] = Answer(
                path,
                probability=round(float(probability[place]), 4),
                decision=config.LABELS[int(probability[place] >= self.threshold)],
                refer=bool(doubts or self.band.refers(probability[[place]])[0]),
                warnings=(*picture.notes, *doubts),
                seen=(pixels[place], found.of([place])) if keep else None,
            )
        return answers


predictor = functools.cache(Predictor)  # loaded once


def _read(path: Path | str) -> tuple[Answer, images.Picture | None]:
    """The picture in ``path``, and what is said of it so far: nothing, or why there is none."""
    try:
        return Answer(str(path)), images.read(path)
    except dataset.FilmError as error:
        return Answer(str(path), error=str(error)), None


def _refused(path: Path | str, reason: str) -> Answer:
    return Answer(str(path), error=f"{Path(path).name or path}: {reason}")


def _judged_there(threshold: float, keep: bool, here: str, films: Sequence) -> list[Answer]:
    """A worker's answers to ``films``: paths from the folder ``here``, and whether they exist."""
    paths = [Path(here, name) for name, _ in films]
    for path, (_, there) in zip(paths, films, strict=True):
        if there and not os.path.exists(path):
            raise RuntimeError(f"{path}: a worker cannot see it; it must share the file system")
    answers = predictor(threshold).answers(paths, keep)
    return [replace(answer, path=name) for answer, (name, _) in zip(answers, films, strict=True)]


def predict(path: Path | str | None = None) -> Answer:
    """What the final network says of one film; of a packaged test film where none is named."""
    return next(predictor().answers([example() if path is None else path], keep=True))


def example() -> Path:
    """A packaged test film with pneumonia, always the same; FilmError without the package."""
    films = dataset.packaged().table.query("part == 'test' and label == 'PNEUMONIA'")
    return Path(films.sample(1, random_state=config.SEED)["path"].iloc[0])


def films_in(paths: Iterable[str], listed: BinaryIO | None, passed: list[Answer]) -> Iterator[Path]:
    """The files that ``paths`` name: files as they are, all in folders in order of their names.

    "-" stands for the lines of ``listed`` (ValueError: no list). Refusals of what in a folder
    cannot be looked into are added to ``passed``.
    """
    for given in paths:
        for name in _lines(listed) if given == "-" else [given]:
            yield from _below(name, passed) if os.path.isdir(name) else [Path(name)]


def _lines(listed: BinaryIO | None) -> Iterator[str]:
    """Paths, one a line, in whatever encoding their names are; byte-order marks are dropped."""
    if listed is None:
        raise ValueError("-: standard input is closed; pipe a list of paths into it")
    if b"\0" in listed.peek():
        raise ValueError("-: no list of paths, one a line in UTF-8; name a film by its path")
    for line in listed:
        if (name := line.removeprefix(codecs.BOM_UTF8).rstrip(b"\r\n")).strip():
            yield os.fsdecode(name)


def _below(root: str, passed: list[Answer]) -> Iterator[Path]:
    """The files in a folder and its folders, but for what systems and ``predict`` left there."""
    before, found, unread = len(passed), 0, []
    for folder, below, names in os.walk(root, onerror=unread.append):
        below[:] = sorted(set(below) - LITTER)
        links = (path for name in below if (path := Path(folder, name)).is_symlink())
        passed += [_refused(link, "a link to a folder, which is not followed") for link in links]
        for path in (Path(folder, name) for name in sorted(set(names) - LITTER)):
            if not path.name.startswith("._") and not made_here(path):
                found += 1
                yield path
    passed += [_refused(e.filename, f"cannot be opened ({e.strerror})") for e in unread]
    if found + len(passed) == before:
        passed.append(_refused(root, "a folder without films"))


def made_here(path: Path | str) -> bool:
    """Whether this is a table or a drawing that ``predict`` wrote."""
    if not os.path.isfile(path) or not os.access(path, os.R_OK):
        return False
    with open(path, "rb") as file:
        head = file.read(512)
    return head.startswith(TABLE) or (head.startswith(b"\x89PNG") and DRAWING in head)
