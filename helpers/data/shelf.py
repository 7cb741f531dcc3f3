"""Pictures that stay on disk: read as they are asked for, where an array would fill the memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

# Decoded films may take this share of the memory as an array. Training copies them once into
# TensorFlow and once for the parts of the study, and predictions need room of their own.
SHARE = 1 / 8

# Films that are decoded, looked at or copied at once.
PIECE = 512


def memory() -> int:
    """Bytes of memory that this process may use; ``STUDY_MEMORY`` (in MiB) sets another number."""
    if named := os.environ.get("STUDY_MEMORY"):
        return int(float(named) * 2**20)
    total = 4 * 2**30  # where the system does not tell
    with suppress(AttributeError, ValueError, OSError):
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # a container's limit; "max" is none
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return total


def fits(count: int, side: int) -> bool:
    """Whether ``count`` films of ``side`` pixels may be held as an array."""
    return count * side * side <= SHARE * memory()


class Shelf:
    """Pictures (n, side, side) uint8 in a file, in the place of an array of them.

    ``shelf[3]`` reads one; ``shelf[rows]``, with a mask, a slice or numbers, is a shelf of those
    and reads nothing; ``read(rows)`` reads them. Reading is safe from many threads.
    """

    def __init__(self, file: BinaryIO, start: int, side: int, rows: np.ndarray) -> None:
        self._file, self._start, self._side, self._rows = file, start, side, rows

    @classmethod
    def open(cls, path: Path | str) -> Shelf:
        """The pictures of a ``.npy`` file.

        Raises:
            OSError: it cannot be opened.
            ValueError: it does not hold (n, side, side) uint8, or is cut short.
        """
        file = Path(path).open("rb")  # noqa: SIM115, open as long as the shelf is
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"{path}: version {version} of the format, expected (1, 0)")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        if len(shape) != 3 or shape[1] != shape[2] or dtype != np.uint8 or fortran:
            raise ValueError(f"{path}: holds {dtype} of shape {shape}, expected square pictures")
        start = file.tell()
        if os.fstat(file.fileno()).st_size != start + int(np.prod(shape)):
            raise ValueError(f"{path}: cut short")
        return cls(file, start, shape[1], np.arange(shape[0]))

    @property
    def shape(self) -> tuple[int, int, int]:
        """As of the array."""
        return len(self._rows), self._side, self._side

    @property
    def dtype(self) -> np.dtype:
        """As of the array."""
        return np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: int | slice | np.ndarray) -> np.ndarray | Shelf:
        chosen = self._rows[rows]
        if np.ndim(chosen) == 0:
            return self._one(int(chosen))
        return Shelf(self._file, self._start, self._side, chosen)

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self._one, self._rows)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return self.read(np.arange(len(self))).astype(dtype or self.dtype, copy=False)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """The pictures at ``rows`` (m,), as an array (m, side, side) uint8."""
        pictures = np.empty((len(rows), self._side, self._side), np.uint8)
        for place, row in enumerate(self._rows[rows]):
            pictures[place] = self._one(int(row))
        return pictures

    def _one(self, row: int) -> np.ndarray:
        size = self._side**2
        found = os.pread(self._file.fileno(), size, self._start + int(row) * size)
        return np.frombuffer(found, np.uint8).reshape(self._side, self._side)


Pictures = np.ndarray | Shelf


def pieces(pictures: Pictures) -> Iterator[np.ndarray]:
    """The pictures in order, a few hundred at a time, as arrays."""
    for start in range(0, len(pictures), PIECE):
        yield np.asarray(pictures[start : start + PIECE])


def write(path: Path, made: Iterable[np.ndarray], shape: tuple[int, int, int]) -> None:
    """Write pieces of pictures, of ``shape`` all together, as one ``.npy`` file."""
    head = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, head)
        for piece in made:
            file.write(np.ascontiguousarray(piece, np.uint8).data)


class Writer:
    """A nameless file that takes pictures piece by piece, gone with the shelf made of it."""

    def __init__(self, side: int, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file, self._side, self._count = tempfile.TemporaryFile(dir=folder), side, 0  # noqa: SIM115

    def add(self, piece: np.ndarray) -> None:
        """Put pictures (m, side, side) uint8 behind those there are."""
        self._file.write(np.ascontiguousarray(piece, np.uint8).data)
        self._count += len(piece)

    def shelf(self) -> Shelf:
        """All pictures that were added."""
        self._file.flush()
        return Shelf(self._file, 0, self._side, np.arange(self._count))
