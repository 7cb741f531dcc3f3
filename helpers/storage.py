"""Files written whole or not at all, by one run at a time."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def whole(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block succeeds.

    A reader sees the old file or the new one, never half of either; a failed or interrupted
    block leaves ``path`` as it was and no temporary file behind. The temporary name keeps the
    suffixes of ``path``, because Keras and matplotlib choose the format by them. The block makes
    the file, with the usual permissions. OSError where the folder cannot be made or written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part-{uuid.uuid4().hex}{''.join(path.suffixes)}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` (UTF-8, newlines as given) to ``path``, whole or not at all."""
    with whole(path) as part:
        part.write_bytes(text.encode("utf-8"))


class BusyError(RuntimeError):
    """Another run does the same here just now."""


@contextmanager
def alone(lock: Path, what: str, patience: float = 0.0) -> Iterator[None]:
    """Hold ``lock`` while the block runs; the system lets go of it when the process ends.

    The file itself stays: to delete a lock that others wait for would give it to two of them.
    BusyError after ``patience`` seconds; ``what`` says what the other run is doing.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(lock).acquire(timeout=patience, poll_interval=0.01)
    except Timeout:
        raise BusyError(f"{lock}: another run is {what}; wait until it has ended") from None
    with held:
        yield
