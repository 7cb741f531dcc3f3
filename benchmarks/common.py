"""What the benchmarks share: pairs run in turn, the cost of a process, the record."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from helpers import config, storage
from helpers.training import record

FILE = config.RESULTS / "benchmark.json"

# Linux counts the memory of the process that starts another as the other's until that has begun:
# a small process stands between. Its last line has seconds, greatest memory and exit code.
BETWEEN = """
import json, os, subprocess, sys, time
start = time.perf_counter()
_, status, usage = os.wait4(subprocess.Popen(sys.argv[1:]).pid, 0)
seconds, code = time.perf_counter() - start, os.waitstatus_to_exitcode(status)
print("\\n" + json.dumps([seconds, usage.ru_maxrss, code]))
"""

# With a plus where what is measured has changed since; nothing where there is no git.
COMMIT = "git rev-parse --short=12 HEAD && (git diff --quiet HEAD -- helpers benchmarks || echo +)"


def cost(arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds and greatest resident memory (MB, of it or a child) of ``python arguments``.

    Raises:
        RuntimeError: it failed, or refused a film; the message has its last line.
    """
    command = [sys.executable, "-c", BETWEEN, sys.executable, *arguments]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, **streams, text=True, cwd=config.ROOT, check=True)
    output, _, last = done.stdout.rstrip().rpartition("\n")
    seconds, peak, code = json.loads(last)
    if code:
        said = output.rstrip().rpartition("\n")[2]
        raise RuntimeError(f"python {' '.join(arguments)}: exit code {code}: {said}")
    return seconds, peak * (1 if sys.platform == "darwin" else 1024) / 1e6


PREDICT = ("-m", "helpers", "predict")

Rate = Callable[[], float]


def in_turn(ours: Rate, other: Rate, pairs: int) -> dict[str, float]:
    """Median rates of two ways, and of the ratios of ``pairs`` taken in turn, with their range."""
    rates = []
    for pair in range(pairs):  # who goes first changes: a machine that slows down slows both
        found = {call: call() for call in ((ours, other) if pair % 2 else (other, ours))}
        rates.append({"films_a_second": found[other], "ours": found[ours]})
    table = pd.DataFrame(rates).assign(ratio=lambda t: t["ours"] / t["films_a_second"])
    spread = {"low": table["ratio"].min(), "high": table["ratio"].max(), "pairs": pairs}
    return {**table.median(), **spread}


def line(what: str, value: str, must: str = "", reached: bool = True) -> dict[str, Any]:
    """A line of docs/performance.md; where nothing ``must`` be, nothing is reached or missed."""
    verdict = bool(reached) if must else None  # not NumPy's, which JSON does not know
    return {"what": what, "value": value, "must": must, "reached": verdict}


def write(script: str, rows: list[dict[str, Any]], lines: list[dict], path: Path = FILE) -> None:
    """Print the rows as a table and put them in the file, whole, in place of the script's last."""
    table = pd.DataFrame(rows)
    print(table.to_string(index=False, na_rep="", float_format="{:,.4g}".format))
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    facts = record.circumstances()
    print(f"{os.cpu_count()} cores of {facts['processor']}")
    plain = table.to_json(orient="records", double_precision=4)  # what is missing becomes null
    git = subprocess.run(COMMIT, shell=True, stdout=subprocess.PIPE, text=True, cwd=config.ROOT)
    part = {"date": facts.pop("date"), "commit": "".join(git.stdout.split())}
    part |= {"machine": {"cores": os.cpu_count(), **facts}, "rows": json.loads(plain)}
    part |= {"lines": lines}
    storage.write_text(path, json.dumps(found | {script: part}, indent=1) + "\n")
