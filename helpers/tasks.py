"""Independent tasks: one after another here, in several processes, or on a Dask cluster."""

import functools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from helpers import config

RETRIES = 2  # of a task that raises; those of lost workers Dask starts again anyhow
PATIENCE = "30s"  # for a scheduler and its first worker to answer
RESUMES = "the same command goes on from here"
_turn = threading.Lock()


def pool(jobs: int = 1, dask: str | None = None) -> AbstractContextManager[Executor | None]:
    """What runs tasks: ``jobs`` processes, the cluster at ``dask``, or None: this process.

    Its block raises RuntimeError where Dask is not installed or workers are lost for good.
    """
    if jobs < 1:
        raise ValueError(f"--jobs {jobs}: give one process or more")
    return _cluster(dask) if dask else _processes(jobs) if jobs > 1 else nullcontext()


@contextmanager
def _processes(count: int) -> Iterator[Executor]:
    """``count`` processes, each with its share of the processor's threads."""
    before, threads = set(multiprocessing.active_children()), (os.cpu_count() or 1) // count
    spawn = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    executor = ProcessPoolExecutor(count, spawn, _prepare, (max(1, threads),))
    try:
        yield executor
        executor.shutdown()
    except BrokenExecutor:
        raise RuntimeError(f"a process was lost, for want of memory perhaps; {RESUMES}") from None
    finally:  # after a failure or Ctrl-C nobody waits for a task; what it did is kept
        executor.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()


def _prepare(threads: int) -> None:
    """Make a process ready for tasks; Ctrl-C is for the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    config.import_tensorflow(threads)


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    """The Dask cluster whose scheduler listens at ``address``."""
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise RuntimeError("--dask needs Dask: pip install -r requirements-dask.txt") from None
    try:
        with Client(address, timeout=PATIENCE, set_as_default=False) as client:
            client.wait_for_workers(1, timeout=PATIENCE)
            yield client.get_executor(pure=False, retries=RETRIES)
    except (KilledWorker, CancelledError, ImportError) as error:
        raise RuntimeError(f"{address}: {error or 'no longer there'}; {RESUMES}") from None


def start(pool: Executor | None, function: Callable[..., Any], *given: Any) -> Callable[[], Any]:
    """Start a task; calling what is returned waits for its result (without a pool, runs it)."""
    if pool is None:
        return functools.partial(function, *given)
    return pool.submit(_in_turn, function, *given).result


def _in_turn(function: Callable[..., Any], *given: Any) -> Any:
    """Run one task at a time in a process: trainings share Keras's random state."""
    with _turn:
        return function(*given)


def in_order(pool: Executor, function: Callable, tasks: Iterable[tuple], ahead: int) -> Iterator:
    """Results in the order of the tasks; ``ahead`` tasks at most are drawn before their turn."""
    waiting: deque[Callable[[], Any]] = deque()
    for given in tasks:
        waiting.append(start(pool, function, *given))
        if len(waiting) == ahead:
            yield waiting.popleft()()
    yield from (result() for result in waiting)
