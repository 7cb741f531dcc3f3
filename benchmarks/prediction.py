"""How long does ``predict`` take, and how much memory, for one film and for many?

``python -m benchmarks.prediction [--films 100 1000 10000]``: the command from a cold start, on one
film and on folders of films of two megapixels, each in a process of its own; and warm, from file
to answer, on films of 224 pixels.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import common
from benchmarks.films import enlarged, linked
from helpers import config, predict
from helpers.data import dataset

LARGE = 24  # films made large; linked again and again
SIZE = (1632, 1224, 480_000)  # two megapixels, with as many bytes a pixel as a mean normal original
COMMAND = ("-m", "helpers", "predict")
MOST = 1.1  # how many times the memory of the fewest films the most may take


def measure(films: pd.DataFrame, counts: Sequence[int], repeats: int) -> list[dict[str, Any]]:
    """A row a question: films, median seconds, films a second, greatest memory (MB) of a process.

    ``films`` have path and label; ``counts`` are the sizes of the folders.
    """
    paths = list(films["path"])
    cold = [common.cost([*COMMAND, paths[0]]) for _ in range(repeats)]
    seconds, peak = (statistics.median(column) for column in zip(*cold, strict=True))
    rows = [_row("224 pixels, cold", 1, seconds, peak), *_warm(paths, 4 * repeats)]
    with tempfile.TemporaryDirectory() as name:
        large = enlarged(films.head(LARGE), Path(name) / "large", SIZE)
        for count in counts:
            folder = linked(large, Path(name) / str(count), count)
            spent = common.cost([*COMMAND, str(folder)])
            rows.append(_row("2 megapixels, cold", count, *spent))
    return rows


def _row(what: str, films: int, seconds: float, peak: float | None = None) -> dict[str, Any]:
    speed = {"seconds": seconds, "films_a_second": films / seconds}
    return {"what": what, "films": films, **speed, "megabytes": peak}


def _warm(paths: Sequence[str], repeats: int) -> list[dict[str, Any]]:
    """One film and 32 at once, other films each time, after a quarter of them to warm up."""
    ready, rows, waiting = predict.Predictor(), [], itertools.cycle(paths)
    for count in (1, 32):
        seconds = []
        for _ in range(repeats):
            some = list(itertools.islice(waiting, count))
            start = time.perf_counter()
            list(ready.answers(some))
            seconds.append(time.perf_counter() - start)
        rows.append(_row("224 pixels, warm", count, statistics.median(seconds[repeats // 4 :])))
    return rows


def lines(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """README's lines: one film, and a thousand."""
    cold, warm, _, *folders = rows
    few, many = folders[0], next((row for row in folders if row["films"] == 1000), folders[-1])
    quick = cold["seconds"] <= 5 and warm["seconds"] <= 0.025
    one = f"{cold['seconds']:.1f} s cold, {1000 * warm['seconds']:.0f} ms warm"
    value = f"{many['films_a_second']:.0f} films a second, {many['megabytes']:,.0f} MB at most"
    must = f"at most {MOST} times the memory that {few['films']:,} films take"
    reached = many["megabytes"] <= MOST * few["megabytes"]
    title = f"`predict` on {many['films']:,} films of two megapixels, start included"
    return [
        common.line("prediction", "`predict` on one film", one, "at most 5 s, 25 ms", quick),
        common.line("prediction", title, value, must, reached),
    ]


def main() -> None:
    """Measure on packaged test films and write the record."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--films", type=int, nargs="+", default=[100, 1000], metavar="N")
    options.add_argument("--repeats", type=int, default=3, help="cold starts; four times as warm")
    chosen = options.parse_args()
    config.import_tensorflow(threads=1)  # as the command does
    test = dataset.packaged().table.query("part == 'test'")
    rows = measure(test.sample(frac=1, random_state=config.SEED), chosen.films, chosen.repeats)
    common.write("prediction", rows, lines(rows))


if __name__ == "__main__":
    main()
