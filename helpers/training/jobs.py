"""Trainings side by side: one process a recipe, each with its share of the processor."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from helpers import config


def longest_first(seconds: Mapping[str, float]) -> list[str]:
    """Names in the order to start them: those of unknown length, then the longest."""
    return sorted(seconds, key=lambda name: (not math.isnan(seconds[name]), -seconds[name]))


def threads(jobs: int) -> int:
    """Threads of one operation for each of ``jobs`` processes on this machine."""
    return max(1, (os.cpu_count() or 1) // jobs)


def side_by_side(
    names: Iterable[str],
    jobs: int,
    logs: Path,
    tell: Callable[[str], None],
    options: tuple[str, ...] = (),
) -> None:
    """Train the recipes ``names``, ``jobs`` at a time, in the order given.

    Each is ``python -m helpers train NAME`` in a process of its own, which writes what it says
    to ``logs``/NAME.log; records and locks are those of any training, so nothing is shared that
    could be spoilt. ``tell`` hears of each end. All are tried before a failure is raised.

    Raises:
        RuntimeError: one or more failed; the message names them and their logs.
    """
    logs.mkdir(parents=True, exist_ok=True)
    settings = {
        "STUDY_THREADS": str(threads(jobs)),
        "PYTHONPATH": os.pathsep.join([str(config.ROOT), os.environ.get("PYTHONPATH", "")]),
    }

    def one(name: str) -> str | None:
        log = logs / f"{name}.log"
        command = [sys.executable, "-m", "helpers", "train", name, "--keep", *options]
        with log.open("w", encoding="utf-8") as told:
            done = subprocess.run(
                command, stdout=told, stderr=subprocess.STDOUT, env=os.environ | settings
            )
        if done.returncode == 0:
            tell(f"{name}: trained")
            return None
        return f"{name}: {_last_line(log) or f'ended with {done.returncode}'} ({log})"

    with ThreadPoolExecutor(jobs) as pool:
        failed = [problem for problem in pool.map(one, names) if problem]
    if failed:
        raise RuntimeError("; ".join(failed))


def _last_line(log: Path) -> str:
    """The last thing a training said, past the carriage returns of its bars."""
    text = log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n")
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
