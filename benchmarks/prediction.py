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
MOST = 1.1  # how many times the memory of the fewest films the most may take


def measure(films: pd.DataFrame, counts: Sequence[int], repeats: int) -> list[dict[str, Any]]:
    """A row a question: films, median seconds, films a second, greatest memory (MB) of a process.

    ``films`` have path and label; ``counts`` are the sizes of the folders.
    """
    paths = list(films["path"])
    cold = [common.cost([*common.PREDICT, paths[0]]) for _ in range(repeats)]
    seconds, peak = (statistics.median(column) for column in zip(*cold, strict=True))
    rows = [_row("224 pixels, cold", 1, seconds, peak), *_warm(paths, 4 * repeats)]
    with tempfile.TemporaryDirectory() as name:
        large = enlarged(films.head(LARGE), Path(name) / "large", SIZE)
        for count in counts:
            folder = linked(large, Path(name) / str(count), count)
            spent = common.cost([*common.PREDICT, str(folder)])
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


def lines(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table's lines: one film, a thousand, and the memory of the fewest and the most."""
    cold, warm, _, *folders = rows
    few, most = folders[0], folders[-1]
    many = next((row for row in folders if row["films"] == 1000), most)
    once, again, speed = cold["seconds"], 1000 * warm["seconds"], many["films_a_second"]
    size = f"`predict` on {many['films']:,} X-rays of two megapixels, start included"
    room = f"Memory of `predict` on {most['films']:,} X-rays, times that on {few['films']:,}"
    grown = most["megabytes"] / few["megabytes"]
    held = f"{grown:.2f} ({most['megabytes']:,.0f} MB)"
    return [
        common.line("`predict` on one X-ray, cold", f"{once:.1f} s", "at most 5 s", once <= 5),
        common.line("The same, warm", f"{again:.0f} ms", "at most 25 ms", again <= 25),
        common.line(size, f"{speed:.0f} a second", "at least 50", speed >= 50),
        common.line(room, held, f"at most {MOST}", grown <= MOST),
    ]


def main() -> None:
    """Measure on packaged test films and write the record."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--films", type=int, nargs="+", default=[100, 1000, 10_000], metavar="N")
    options.add_argument("--repeats", type=int, default=3, help="cold starts; four times as warm")
    chosen = options.parse_args()
    config.import_tensorflow(threads=1)  # as the command does
    test = dataset.packaged().table.query("part == 'test'")
    rows = measure(test.sample(frac=1, random_state=config.SEED), chosen.films, chosen.repeats)
    common.write("prediction", rows, lines(rows))


if __name__ == "__main__":
    main()
