"""Writing files whole or not at all."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def whole(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block succeeds.

    A reader sees the old file or the new one, never half of either; a failed or interrupted
    block leaves ``path`` as it was and no temporary file behind. The temporary name keeps the
    suffixes of ``path``, because Keras and matplotlib choose the format by them.

    Raises:
        OSError: the folder cannot be made or written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = "".join(path.suffixes)
    handle, name = tempfile.mkstemp(prefix=".part-", suffix=suffix, dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        # mkstemp makes files private; committed files should have the usual permissions.
        part.chmod(0o666 & ~_umask())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` (UTF-8, newlines as given) to ``path``, whole or not at all."""
    with whole(path) as part:
        part.write_bytes(text.encode("utf-8"))


class BusyError(RuntimeError):
    """Another process does the same here just now."""


@contextmanager
def alone(lock: Path, what: str, patience: float = 0.0) -> Iterator[None]:
    """Hold ``lock``, a file with this process's number, while the block runs.

    The lock of a process that is no more is taken over. ``what`` says what another run is doing;
    for ``patience`` seconds it is waited for.

    Raises:
        BusyError: another process holds it.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + patience
    while (file := _taken(lock)) is None and time.monotonic() < until:
        time.sleep(0.05)
    if file is None:
        advice = "wait for it, or delete this file if there is none"
        raise BusyError(f"{lock}: another run is {what}; {advice}")
    try:
        with file:
            file.write(str(os.getpid()))
        yield
    finally:
        lock.unlink(missing_ok=True)


def _taken(lock: Path) -> TextIO | None:
    """The lock, opened as one's own; None while another process has it."""
    if _left_behind(lock):
        lock.unlink(missing_ok=True)
    try:
        return lock.open("x")
    except FileExistsError:
        return None


def _left_behind(lock: Path) -> bool:
    if os.name == "nt":
        return False  # there os.kill(pid, 0) does not ask, it interrupts
    try:
        os.kill(int(lock.read_text()), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):  # no lock, another user's process, a number not yet written
        return False
    return False


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
