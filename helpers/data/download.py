"""Bringing the full data set to disk: download, verify, unpack; whole or not at all."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import http.client
import os
import shutil
import stat
import sys
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path, PureWindowsPath

import pandas as pd
from tqdm import tqdm

from helpers import config, storage
from helpers.data import dataset, manifest

CHUNK = 1 << 18
TIMEOUT = 30  # seconds without a byte after which a connection counts as broken
TRIES = 5  # without a new byte; each pause is twice as long as the one before
PAUSE = 1.0

# urllib raises an answer with an error status, but it can be read like any other.
Answer = http.client.HTTPResponse | urllib.error.HTTPError

BY_HAND = (
    "or download ChestXRay2017.zip in a browser from https://doi.org/10.17632/rscbjbr9sj.2, "
    "unpack it and set STUDY_DATA=/path/to/chest_xray"
)


class DownloadError(RuntimeError):
    """The data set could not be brought; the message says what is wrong and what to do."""


class _BrokenError(Exception):
    """The connection failed in a way that another try may mend."""


class _UnreachableError(DownloadError):
    """The archive cannot be had from its URL: another source is worth a try."""


class _UnusableError(DownloadError):
    """What came is not the archive expected: not worth keeping."""

    def __init__(self, archive: Path, what: str) -> None:
        super().__init__(f"{archive}: {what}; it was deleted, run again, {BY_HAND}")


def fetch(
    target: Path | str = config.FULL_SET,
    url: str = config.ARCHIVE_URL,
    sha256: str = config.ARCHIVE_SHA256,
    bytes_expected: int = config.ARCHIVE_BYTES,
    expected: pd.DataFrame | None = None,
    silent: bool = False,
) -> dataset.Films:
    """Bring the data set to ``target``, each film in its official split, and return the films.

    A complete set at ``target`` is returned untouched. Otherwise the archive is downloaded to
    ``<target>.part`` (going on where an earlier download broke off), verified and unpacked;
    ``target`` is whole or absent. Where ``url`` cannot be reached, Kaggle's copy is taken.
    Films of the manifest (or of ``expected``) that the source lacks, and films it has beyond,
    are named in the result; the latter are left out. ``silent`` switches the bars off.

    Raises:
        DownloadError: no source can be reached, the archive is not the expected one, the disk
            is full, another run is at it, or ``target`` holds something else.
    """
    target = Path(target)
    part = target.with_name(f"{target.name}.part")
    expected = manifest.read() if expected is None else expected
    try:
        films = standing(target, expected)
        if films is not None:
            return films
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            storage.alone(target.with_name(f".{target.name}.lock"), "downloading"),
            whole_folder(target) as folder,
        ):
            extra = _fill(folder, part, url, sha256, bytes_expected, expected, silent)
        part.unlink(missing_ok=True)
        return dataclasses.replace(dataset.find(target, expected), extra=extra)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _no_room(target.parent, _needed(part, bytes_expected)) from None
        what = f"{error.filename or target}: {error.strerror or error}"
        raise DownloadError(f"{what}; mend that and run again, {BY_HAND}") from None


def standing(target: Path, expected: pd.DataFrame) -> dataset.Films | None:
    """Return the complete set at ``target``; None if nothing stands there.

    Raises:
        DownloadError: something else stands there. It may be someone's work, so it is kept.
    """
    if not os.path.lexists(target):
        return None
    try:
        films = dataset.find(target, expected)
    except dataset.FilmError:
        films = None
    if films and films.complete:
        return films
    what = f"not complete ({films.describe()})" if films else "holds no film of the data set"
    raise DownloadError(f"{target}: is there, but {what}; move or delete it and run again")


def _fill(
    folder: Path,
    part: Path,
    url: str,
    sha256: str,
    bytes_expected: int,
    expected: pd.DataFrame,
    silent: bool,
) -> tuple[str, ...]:
    """Fill ``folder`` from the archive or else from Kaggle; return the films left out."""
    check_room(part.parent, _needed(part, bytes_expected))
    try:
        download(url, part, bytes_expected, silent)
    except _UnreachableError as error:
        try:
            return from_kaggle(folder, expected)
        except DownloadError as other:
            raise DownloadError(f"{error}; {other}; connect and run again, {BY_HAND}") from None
    try:
        verify(part, sha256)
        return unpack(part, folder, expected, silent)
    except _UnusableError:
        part.unlink()
        raise


def download(url: str, part: Path, bytes_expected: int, silent: bool = False) -> None:
    """Download ``url`` to ``part``, going on from what ``part`` already holds.

    Raises:
        DownloadError: ``url`` cannot be reached, or the connection broke too often (what came
            is kept).
    """
    start = longest = _size(part)
    failures = 0
    form = {"unit": "B", "unit_scale": True, "file": sys.stderr, "disable": silent}
    with tqdm(desc="Downloading", total=bytes_expected, initial=start, **form) as bar:
        while _size(part) < bytes_expected:
            try:
                _append(url, part, bytes_expected, bar)
            except _BrokenError as error:
                failures = 1 if _size(part) > longest else failures + 1
                longest = max(longest, _size(part))
                if failures == TRIES:
                    raise _given_up(url, error, part, longest > start) from None
                time.sleep(PAUSE * 2 ** (failures - 1))


def _given_up(url: str, error: _BrokenError, part: Path, came: bool) -> DownloadError:
    if not came:
        return _UnreachableError(f"{url}: cannot be reached ({error})")
    what = f"broken off {TRIES} times, last after {_size(part):,} bytes ({error})"
    return DownloadError(f"{url}: {what}; run again to go on, {BY_HAND}")


def _append(url: str, part: Path, total: int, bar: tqdm) -> None:
    """Ask once for what ``part`` lacks and write what comes."""
    with _open(url, _size(part)) as answer, part.open(_mode(answer, part, total)) as file:
        # Of a longer file one byte too many is enough: its SHA-256 will be another.
        while file.tell() <= total and (chunk := _read(answer)):
            file.write(chunk)
            bar.update(file.tell() - bar.n)
    if _size(part) < total:
        raise _BrokenError("the connection was closed")


def _open(url: str, start: int) -> Answer:
    """Ask for ``url`` from byte ``start`` on."""
    headers = {"User-Agent": "chest-xray-study/1.0"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as answer:
        return answer
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(getattr(error, "reason", error)) from None


def _mode(answer: Answer, part: Path, total: int) -> str:
    """Say how to write what is coming: appended to ``part`` or from its beginning."""
    start, status = _size(part), answer.status
    span = f"bytes {start}-{total - 1}/{total}"
    if status == 416 or (status == 206 and answer.headers.get("Content-Range") != span):
        part.unlink(missing_ok=True)
        raise _BrokenError("the server cannot go on where the download broke off")
    if status not in (200, 206):
        raise _BrokenError(f"HTTP {status} {answer.reason}")
    length = str(total - start if status == 206 else total)
    announced = answer.headers.get("Content-Length", length)
    if announced != length:
        raise _BrokenError(f"{announced} bytes are offered instead of {length}")
    return "ab" if status == 206 else "wb"


def _read(answer: Answer) -> bytes:
    # Apart from the writing, so that a full disk is not mistaken for a broken connection.
    try:
        return answer.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(error) from None


def verify(archive: Path, sha256: str) -> None:
    """Check the archive's SHA-256.

    Raises:
        DownloadError: it is another.
    """
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise _UnusableError(archive, f"has SHA-256 {found}, expected {sha256}")


def unpack(
    archive: Path, folder: Path, expected: pd.DataFrame, silent: bool = False
) -> tuple[str, ...]:
    """Unpack the films of ``expected`` to ``folder``/split/label/film, wherever they lie inside.

    Returns the names of the films in the archive that ``expected`` does not have.

    Raises:
        DownloadError: no sound zip archive, one with a member that points out of its folder,
            without a film, or the disk has no room for the films.
    """
    places = _places(folder, expected)
    try:
        with zipfile.ZipFile(archive) as bundle:
            members = _film_members(bundle, archive)
            films = sorted(set(members) & set(places))
            check_room(folder, sum(members[film].file_size for film in films))
            for film in tqdm(films, "Unpacking", unit=" films", file=sys.stderr, disable=silent):
                with bundle.open(members[film]) as source, places[film].open("wb") as place:
                    shutil.copyfileobj(source, place)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise _UnusableError(archive, f"no sound zip archive ({error})") from None
    if not films:
        raise _UnusableError(archive, "holds none of the data set's films")
    return tuple(sorted(set(members) - set(places)))


def _film_members(bundle: zipfile.ZipFile, archive: Path) -> dict[str, zipfile.ZipInfo]:
    """Return the films by file name; refuse the archive for any member that is not plain."""
    films: dict[str, zipfile.ZipInfo] = {}
    for member in bundle.infolist():
        # Windows rules take both slashes and drive letters for what they are, on any system.
        path = PureWindowsPath(member.filename)
        if path.anchor or ".." in path.parts:
            raise _UnusableError(archive, f"its member {member.filename} points out of the folder")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise _UnusableError(archive, f"its member {member.filename} is a symbolic link")
        junk = path.name.startswith(".") or "__MACOSX" in path.parts
        if not junk and path.suffix.lower() in {".jpeg", ".jpg"}:
            films.setdefault(path.name, member)
    return films


def from_kaggle(folder: Path, expected: pd.DataFrame) -> tuple[str, ...]:
    """Fill ``folder`` from Kaggle's copy, like ``unpack``; that needs no account.

    Raises:
        DownloadError: kagglehub is not installed or fails, or gives no film of ``expected``.
    """
    try:
        # kagglehub tells its progress on standard output, which belongs to the caller.
        with redirect_stdout(sys.stderr):
            import kagglehub

            films = dataset.find(kagglehub.dataset_download(config.KAGGLE_HANDLE), expected)
    except ImportError:
        how = "`pip install kagglehub`"
        raise DownloadError(f"Kaggle's copy needs the package kagglehub ({how})") from None
    except Exception as error:  # kagglehub lets through whatever its own packages raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DownloadError(f"Kaggle's {config.KAGGLE_HANDLE}: {reason}") from None
    places = _places(folder, expected)
    for film, path in zip(films.table["film"], films.table["path"], strict=True):
        shutil.copyfile(path, places[film])
    return films.extra


def _places(folder: Path, expected: pd.DataFrame) -> dict[str, Path]:
    """Map each film to its official place below ``folder``, and make the folders."""
    rows = expected[["film", "split", "label"]].itertuples(index=False)
    places = {film: folder / split / label / film for film, split, label in rows}
    for parent in {place.parent for place in places.values()}:
        parent.mkdir(parents=True, exist_ok=True)
    return places


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``target``; rename it to ``target`` when the block succeeds."""
    # One run at a time is here, so what stands under this name a killed run has left.
    folder = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir()
        yield folder
        os.replace(folder, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_room(folder: Path, needed: int) -> None:
    """Check that the disk of ``folder`` has ``needed`` bytes free.

    Raises:
        DownloadError: it has not.
    """
    if shutil.disk_usage(folder).free < needed:
        raise _no_room(folder, needed)


def _no_room(folder: Path, needed: int) -> DownloadError:
    free = shutil.disk_usage(folder).free
    what = f"the disk is full, {needed:,} bytes are needed and {free:,} are free"
    return DownloadError(f"{folder}: {what}; make room and run again, what has come is kept")


def _needed(part: Path, bytes_expected: int) -> int:
    """Bytes still to be written: the rest of the archive, and the films, which barely shrink."""
    return 2 * bytes_expected - _size(part)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
