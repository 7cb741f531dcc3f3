"""What ``python -m helpers predict`` prints and writes: a line a film, as soon as it is judged."""

from __future__ import annotations

import argparse
import contextlib
import csv
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import matplotlib.pyplot as plt
from rich.console import Console
from rich.text import Text
from tqdm import tqdm

from helpers import config, explain, storage
from helpers.plotting import decisions, style
from helpers.predict import Answer, Predictor, films_in

COLUMNS = ("path", "probability", "decision", "refer", "warnings", "error")
HEAD = f"{'probability':>11}  {'decision':<9}  {'refer':<5}  film"

Sink = Callable[[Answer], None]


def line(answer: Answer) -> str:
    """One answer as a line of the table."""
    if answer.error is not None:
        return f"{'–':>11}  {'refused':<9}  {'':<5}  {answer.path}: {_reason(answer)}"
    doubts = f"  ({'; '.join(answer.warnings)})" if answer.warnings else ""
    refer = "yes" if answer.refer else "no"
    return f"{answer.probability:>11.3f}  {answer.decision:<9}  {refer:<5}  {answer.path}{doubts}"


def _reason(answer: Answer) -> str:
    """The error without the film's name, which the line has already."""
    return str(answer.error).removeprefix(f"{Path(answer.path).name}: ")


def _table(out: TextIO) -> Sink:
    """Lines of a table: rich text on a terminal, plain elsewhere."""
    console = Console(file=out, highlight=False, soft_wrap=True)
    style = {"PNEUMONIA": config.COLOURS["PNEUMONIA"], "NORMAL": config.COLOURS["NORMAL"]}
    if not out.isatty():
        print(HEAD, file=out)
        return lambda answer: print(_plain(line(answer)), file=out, flush=True)
    console.print(Text(HEAD, style="bold"))
    return lambda answer: console.print(
        Text(_plain(line(answer)), style=style.get(answer.decision or "", "dim"))
    )


def _plain(text: str) -> str:
    """Without control characters, which a file's name may hold; what cannot be shown as ``?``."""
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return shown.encode("utf-8", "replace").decode("utf-8")


def _json(out: TextIO) -> Sink:
    return lambda answer: print(json.dumps(answer.facts()), file=out, flush=True)


@contextlib.contextmanager
def _csv(path: str | None) -> Iterator[Sink]:
    """Rows of a CSV file, which is there whole when all is done, or what was done till Ctrl-C."""
    if path is None:
        yield lambda answer: None
        return
    stopped = False
    with (
        storage.whole(path) as part,
        part.open("w", newline="", encoding="utf-8", errors="replace") as file,
    ):
        rows = csv.DictWriter(file, COLUMNS)
        rows.writeheader()
        try:
            yield lambda answer: rows.writerow(
                answer.facts() | {"warnings": "; ".join(answer.warnings)}
            )
        except KeyboardInterrupt:
            stopped = True
    if stopped:
        raise KeyboardInterrupt


def _explainer(folder: str | None, predictor: Predictor) -> Sink:
    """A PNG a film into ``folder``: the film, its lungs, where the network looked."""
    if folder is None:
        return lambda answer: None
    taken: set[str] = set()

    def draw(answer: Answer) -> None:
        if answer.error is not None:
            return
        stem = Path(answer.path).stem
        names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
        name = next(name for name in names if name not in taken)
        taken.add(name)
        figure = picture(answer, predictor)
        with storage.whole(Path(folder) / f"{name}.png") as part:
            figure.savefig(part, dpi=110)
        plt.close(figure)

    return draw


def picture(answer: Answer, predictor: Predictor) -> plt.Figure:
    """The film with its lungs and box, and where the network looked.

    Raises:
        ValueError: a refused film, or an answer without pixels.
    """
    if answer.error is not None or answer.seen is None:
        raise ValueError(f"{answer.path}: no picture of it ({answer.error or 'pixels not kept'})")
    style.use_style()
    pixels, found = answer.seen
    heat = explain.maps(predictor.committee, pixels[None], found)[0]
    facts = answer.facts()
    return decisions.answer(pixels, found, heat, facts, predictor.threshold)[0].figure


def predict(arguments: argparse.Namespace, out: TextIO | None = None) -> int:
    """Judge all films named; return the exit code: 0 all judged, 1 some refused, 2 none named."""
    out = sys.stdout if out is None else out
    named = films_in(arguments.paths, sys.stdin)
    first = next(named, None)
    if first is None:
        print("predict: no film in what was named", file=sys.stderr)
        return 2
    predictor = Predictor(arguments.threshold, arguments.sensitivity)
    show = _json(out) if arguments.json else _table(out)
    draw = _explainer(arguments.explain, predictor)
    refused, keep = 0, arguments.explain is not None
    quiet = not sys.stderr.isatty() or out.isatty()  # lines on the screen are progress enough
    with _csv(arguments.csv) as write, tqdm(unit=" films", disable=quiet) as bar:
        for answer in predictor.answers(_again(first, named), keep=keep):
            show(answer)
            write(answer)
            draw(answer)
            refused += answer.error is not None
            bar.update()
    return 1 if refused else 0


def _again(first: Path, rest: Iterator[Path]) -> Iterator[Path]:
    yield first
    yield from rest
