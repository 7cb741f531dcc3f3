"""How long does it take to replay the notebook, how much memory, and which cells are slow?

``python -m benchmarks.replay``: all cells executed from the record in a fresh kernel, as
``make notebook`` does it, in a process of its own.
"""

import argparse
import datetime
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import nbformat

from benchmarks import common
from helpers import config
from helpers.report import notebook as page

SLOWEST = 8  # cells in the record
MOST, ROOM = 45, 1200  # seconds and megabytes that a replay may take


def measure(path: Path, repeats: int) -> list[dict[str, Any]]:
    """A row for the whole notebook (medians) and one for each of the last run's slowest cells."""
    with tempfile.TemporaryDirectory() as name:
        timed = Path(name) / "cells.json"
        code = "import sys; from benchmarks import replay; replay.execute(*sys.argv[1:])"
        runs = [common.cost(["-c", code, str(path), str(timed)]) for _ in range(repeats)]
        last = json.loads(timed.read_text(encoding="utf-8"))
    seconds, peak = (statistics.median(column) for column in zip(*runs, strict=True))
    slowest = sorted(last, key=lambda cell: -cell["seconds"])[:SLOWEST]
    return [{"cell": "all", "seconds": seconds, "megabytes": peak, "line": path.name}, *slowest]


def execute(notebook: str, timed: str) -> None:
    """Execute a notebook from its record and write the seconds of its cells to ``timed``."""
    settings = {"STUDY_MODE": "replay", "TF_ENABLE_ONEDNN_OPTS": "0"}
    node = page.execute(Path(notebook), settings)
    Path(timed).write_text(json.dumps(cells(node)), encoding="utf-8")


def cells(node: nbformat.NotebookNode) -> list[dict[str, Any]]:
    """Number, seconds and first line of each cell that was executed with timing."""
    rows = []
    for cell in node.cells:
        when = cell.metadata.get("execution", {})
        if "shell.execute_reply" in when:
            moments = (when["iopub.execute_input"], when["shell.execute_reply"])
            start, end = map(datetime.datetime.fromisoformat, moments)
            first = cell.source.strip().splitlines()[0]
            seconds = (end - start).total_seconds()
            rows.append({"cell": cell.execution_count, "seconds": seconds, "line": first})
    return rows


def lines(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table's lines: seconds and memory."""
    seconds, peak = rows[0]["seconds"], rows[0]["megabytes"]
    what = "Replay of the whole notebook"
    return [
        common.line(what, f"{seconds:.0f} s", f"at most {MOST} s", seconds <= MOST),
        common.line(f"{what}, memory", f"{peak:,.0f} MB", f"at most {ROOM:,} MB", peak <= ROOM),
    ]


def main() -> None:
    """Measure and write the record."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--repeats", type=int, default=3)
    rows = measure(config.NOTEBOOK, options.parse_args().repeats)
    common.write("replay", rows, lines(rows))


if __name__ == "__main__":
    main()
