"""What ``python -m helpers predict`` prints and writes: a line a film, as soon as it is judged."""

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
from tqdm import tqdm

from helpers import explain, storage, tasks
from helpers.plotting import decisions, style
from helpers.predict import Answer, Predictor, films_in

COLUMNS = ("path", "probability", "decision", "refer", "warnings", "error")
HEAD = f"{'probability':>11}  {'decision':<9}  {'refer':<5}  film"

Sink = Callable[[Answer], None]


def line(answer: Answer) -> str:
    """One answer as a line of the table."""
    if answer.error is not None:
        reason = answer.error.removeprefix(f"{Path(answer.path).name}: ")
        return f"{'–':>11}  {'refused':<9}  {'':<5}  {answer.path}: {reason}"
    doubts = f"  ({'; '.join(answer.warnings)})" if answer.warnings else ""
    refer = "yes" if answer.refer else "no"
    return f"{answer.probability:>11.3f}  {answer.decision:<9}  {refer:<5}  {answer.path}{doubts}"


def _printer(out: TextIO, as_json: bool = False) -> Sink:
    """Lines of JSON, or of a table."""
    if as_json:
        return lambda answer: print(json.dumps(answer.facts()), file=out, flush=True)
    print(HEAD, file=out)
    return lambda answer: print(_plain(line(answer)), file=out, flush=True)


def _plain(text: str) -> str:
    """Without control characters, which a file's name may hold; what cannot be shown as ``?``."""
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return shown.encode("utf-8", "replace").decode("utf-8")


@contextlib.contextmanager
def _csv(path: str) -> Iterator[Sink]:
    """Rows of a CSV file: all when all is done; after Ctrl-C or a failure, those that were."""
    stopped = None
    with storage.whole(path) as part, part.open("w", -1, "utf-8", "replace", newline="") as file:
        rows = csv.DictWriter(file, COLUMNS)
        rows.writeheader()
        try:
            yield lambda one: rows.writerow(one.facts() | {"warnings": "; ".join(one.warnings)})
        except (KeyboardInterrupt, RuntimeError) as error:
            stopped = error
    if stopped is not None:
        raise stopped


def _explainer(folder: str, predictor: Predictor) -> Sink:
    """A PNG a film into ``folder``: the film, its lungs, where the network looked."""
    taken: set[str] = set()

    def draw(answer: Answer) -> None:
        if answer.seen is None:
            return
        stem = Path(answer.path).stem
        numbered = (f"{stem}-{number}" for number in itertools.count(2))
        taken.add(name := next(n for n in itertools.chain([stem], numbered) if n not in taken))
        figure = picture(answer, predictor)
        with storage.whole(Path(folder) / f"{name}.png") as part:
            figure.savefig(part, dpi=110)
        plt.close(figure)

    return draw


def picture(answer: Answer, predictor: Predictor) -> plt.Figure:
    """A film, its lungs and box, where the network looked; ValueError: no pixels in ``answer``."""
    if answer.seen is None:
        raise ValueError(f"{answer.path}: no picture of it ({answer.error or 'pixels not kept'})")
    style.use_style()
    pixels, found = answer.seen
    heat, facts = explain.maps(predictor.ensemble, pixels[None], found)[0], answer.facts()
    return decisions.answer(pixels, found, heat, facts, predictor.threshold)[0].figure


def predict(arguments: argparse.Namespace) -> int:
    """Judge all films named; return the exit code: 0 all judged, 1 some refused, 2 none named."""
    named = films_in(arguments.paths, sys.stdin)
    first = next(named, None)
    if first is None:
        print("predict: no film in what was named", file=sys.stderr)
        return 2
    predictor = Predictor(arguments.threshold, arguments.sensitivity)
    show, refused, keep = _printer(sys.stdout, arguments.json), 0, arguments.explain is not None
    draw = _explainer(arguments.explain, predictor) if keep else lambda answer: None
    # Lines on the screen are progress enough.
    bar = tqdm(unit=" films", disable=not sys.stderr.isatty() or sys.stdout.isatty())
    table = _csv(arguments.csv) if arguments.csv else contextlib.nullcontext(lambda answer: None)
    with tasks.pool(dask=arguments.dask) as pool, table as write, bar:
        for answer in predictor.answers(itertools.chain([first], named), keep, pool):
            show(answer)
            write(answer)
            draw(answer)
            refused += answer.error is not None
            bar.update()
    return 1 if refused else 0
