"""Does a cluster judge every film once, in flat memory, though a worker is killed on the way?

``python -m benchmarks.scale [--films 100000]``: links to a thousand packaged films, judged by
``predict --dask`` with two workers on this machine, one of which is killed; and as many films as
``--alone`` by one process, for the time. Needs ``pip install -r requirements-dask.txt``.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import common
from benchmarks.films import linked
from helpers import config
from helpers.data import dataset

SCHEDULER = ("-m", "distributed.cli.dask_scheduler", "--no-dashboard", "--port", "0")
WORKER = ("-m", "distributed.cli.dask_worker", "--no-dashboard", "--no-nanny", "--nthreads", "1")
MOST = 1.1  # how many times its memory after a tenth of the films a process may take at the end


def megabytes(process: subprocess.Popen) -> float:
    """What a process holds in memory now."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def judged(table: Path) -> int:
    """Rows of the table so far."""
    return max(0, table.read_bytes().count(b"\n") - 1) if table.is_file() else 0


def wait(process: subprocess.Popen, table: Path, rows: int) -> None:
    """Until the table holds so many rows; RuntimeError where the process ends before."""
    while judged(table) < rows:
        if process.poll() is not None:
            raise RuntimeError(f"predict ended at {judged(table):,} of {rows:,} rows")
        time.sleep(1)


def on_cluster(folder: Path, count: int, table: Path) -> dict[str, Any]:
    """Judge ``count`` films below ``folder``, kill a worker at a third and start another."""
    with ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            made = subprocess.Popen([sys.executable, *arguments], cwd=config.ROOT, **quiet)
            stack.callback(made.wait)
            stack.callback(made.terminate)
            return made

        found = table.with_suffix(".json")
        scheduler = start(*SCHEDULER, "--scheduler-file", str(found))
        workers = [start(*WORKER, "--scheduler-file", str(found)) for _ in range(2)]
        while not found.is_file():
            time.sleep(0.1)
        address = pd.read_json(found, typ="series")["address"]
        began = time.perf_counter()
        client = start(*common.PREDICT, str(folder), "--dask", address, "--csv", str(table))
        memory = []
        for share in (0.1, 0.33, 0.9):
            wait(client, table, int(share * count))
            memory.append([megabytes(of) for of in (scheduler, client)])
            if share == 0.33:
                workers[0].send_signal(signal.SIGKILL)
                workers.append(start(*WORKER, "--scheduler-file", str(found)))
        client.wait()
        seconds = time.perf_counter() - began
    (few, first), _, (much, last) = memory
    held = {"scheduler": much, "scheduler_grows": much / few}
    return {"seconds": seconds, **held, "client": last, "client_grows": last / first}


def measure(films: pd.DataFrame, count: int, alone: int) -> list[dict[str, Any]]:
    """A row for the cluster and one for a process: films, seconds, memory, films not judged once.

    ``films`` have path and label. RuntimeError where a film is missing from the table or twice.
    """
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder, table = linked(films, Path(name) / "films", count), Path(name) / "answers.csv"
        seen = on_cluster(folder, count, table)
        times = Counter(pd.read_csv(table, usecols=["path"])["path"])
        wrong = sum(times[str(path)] != 1 for path in folder.rglob("*.*")) + len(times) - count
        rows.append({"what": "two workers", "films": count, "not_once": wrong, **seen})
        few, began = linked(films, Path(name) / "few", alone), time.perf_counter()
        # Refusals, of which there may be some, give exit code 1.
        command = [sys.executable, *common.PREDICT, str(few), "--csv", str(table)]
        subprocess.run(command, stdout=subprocess.DEVNULL, cwd=config.ROOT)
        spent = time.perf_counter() - began
        if judged(table) != alone:
            raise RuntimeError(f"{judged(table):,} of {alone:,} films are in the table")
        rows.append({"what": "one process", "films": alone, "seconds": spent})
    return [row | {"films_a_second": row["films"] / row["seconds"]} for row in rows]


def lines(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table's lines: every film once, memory of scheduler and client, speed."""
    cluster, count = rows[0], f"{rows[0]['films']:,}"
    grown = max(cluster["scheduler_grows"], cluster["client_grows"])
    once = "each once" if cluster["not_once"] == 0 else f"{cluster['not_once']:,} not once"
    memory = f"{grown:.2f} ({cluster['scheduler']:,.0f} and {cluster['client']:,.0f} MB)"
    what = "Memory of scheduler and client there at 90% of the X-rays, times that at 10%"
    speed = " and ".join(f"{row['films_a_second']:.0f}" for row in rows)
    judged = f"{count} X-rays through two Dask workers, one of them killed and replaced"
    return [
        common.line(judged, once, "each once", cluster["not_once"] == 0),
        common.line(what, memory, f"at most {MOST}", grown <= MOST),
        common.line("X-rays a second there, and by one process on the same two cores", speed),
    ]


def main() -> None:
    """Measure on packaged test films and write the record."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--films", type=int, default=100_000)
    options.add_argument("--alone", type=int, default=10_000)
    chosen = options.parse_args()
    films = dataset.packaged().table.sample(1000, random_state=config.SEED)
    rows = measure(films, chosen.films, chosen.alone)
    common.write("scale", rows, lines(rows))


if __name__ == "__main__":
    main()
