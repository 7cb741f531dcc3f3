"""Bringing the full data set to disk: from Mendeley, else from Kaggle; whole or not at all.

pooch starts again where the connection breaks and keeps nothing but the right SHA-256; kagglehub
goes on in a cache of its own.
"""

import dataclasses
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, redirect_stdout
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from helpers import config, storage
from helpers.data import dataset, images

ARCHIVE, UNPACKED, FILMS = "ChestXRay2017.zip", "unpacked", "films"
LEAST_SIDE = 100  # the smallest original has 384 x 127 pixels
BY_HAND = (
    "or download ChestXRay2017.zip in a browser from https://doi.org/10.17632/rscbjbr9sj.2, "
    "unpack it and set STUDY_DATA=/path/to/chest_xray"
)


class DownloadError(RuntimeError):
    """The data set could not be brought; the message says what is wrong and what to do."""


def fetch(target: Path = config.FULL_SET) -> dataset.Films:
    """Bring the data set to ``target``, each film in its official split, and return the films.

    A complete set at ``target`` is returned untouched. Where Mendeley does not give the archive,
    Kaggle's copy is taken, and the films' notes say why. Films of the manifest that are missing or
    cannot be used, and films beyond it, are left out and named in the result. DownloadError where
    no source gives films, the disk is full, or ``target`` holds something else; BusyError where
    another run is at it.
    """
    try:
        if (films := _standing(target)) is not None:
            return films
        with _workplace(target) as work:
            _check_room(work)
            came, notes = _from_anywhere(work)
            notes += _place(came, work)
            os.replace(work / FILMS, target)
            (work / ARCHIVE).unlink(missing_ok=True)
        found = dataset.find(target)
        return dataclasses.replace(found, extra=came.extra, notes=found.notes + notes)
    except OSError as error:
        what = f"{error.filename or target}: {error.strerror or error}"
        raise DownloadError(f"{what}; mend that and run again, {BY_HAND}") from None


def _standing(target: Path) -> dataset.Films | None:
    """The complete set at ``target``; None if nothing stands there. Anything else is kept."""
    if not os.path.lexists(target):
        return None
    try:
        if (films := dataset.find(target)).complete:
            return films
        what = f"not complete ({films.describe()})"
    except images.FilmError:
        what = "holds no film of the data set"
    raise DownloadError(f"{target}: is there, but {what}; move or delete it and run again")


@contextmanager
def _workplace(target: Path) -> Iterator[Path]:
    """A folder beside ``target`` for one run at a time; only a whole archive outlasts the run."""
    work = target.with_name(f".{target.name}.partly")
    with storage.alone(target.with_name(f".{target.name}.lock"), "downloading"):
        _tidy(work)  # a run that was killed could not
        work.mkdir(exist_ok=True)
        try:
            yield work
        finally:
            _tidy(work)


def _tidy(work: Path) -> None:
    for path in work.glob("*"):
        if path.name != ARCHIVE:  # pooch names it so once its SHA-256 is right
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if work.is_dir() and not any(work.iterdir()):
        work.rmdir()


def _check_room(work: Path) -> None:
    """Refuse a disk without room for the archive and its films, as large again."""
    needed = config.ARCHIVE_BYTES * (1 if (work / ARCHIVE).exists() else 2)
    if (free := shutil.disk_usage(work).free) < needed:
        what = f"the disk is full, {needed:,} bytes are needed and {free:,} are free"
        raise DownloadError(f"{work.parent}: {what}; make room and run again")


def _from_anywhere(work: Path) -> tuple[dataset.Films, tuple[str, ...]]:
    """The films of the first source that has some, and why it is not Mendeley's."""
    try:
        return dataset.find(_mendeley(work)), ()
    except Exception as error:  # of the connection or the file; what has a number is of this disk
        if getattr(error, "errno", None):
            raise
        why = f"{config.ARCHIVE_URL}: {_plain(error)}"
    try:
        with redirect_stdout(sys.stderr):  # kagglehub's own words; standard output is the caller's
            import kagglehub

            folder = kagglehub.dataset_download(config.KAGGLE_HANDLE)  # needs no account
        return dataset.find(folder), (f"from Kaggle, because {why}",)
    except Exception as error:  # kagglehub lets through whatever its own packages raise
        reasons = f"{why}; Kaggle's {config.KAGGLE_HANDLE}: {_plain(error)}"
        raise DownloadError(f"{reasons}; mend that and run again, {BY_HAND}") from None


def _mendeley(work: Path) -> Path:
    """Download and unpack the archive; its folder."""
    import pooch

    agent = {"User-Agent": "chest-xray-study/1.0"}
    http = pooch.HTTPDownloader(progressbar=True, chunk_size=1 << 18, headers=agent)
    facts = {"registry": {ARCHIVE: config.ARCHIVE_SHA256}, "urls": {ARCHIVE: config.ARCHIVE_URL}}
    source = pooch.create(work, "", retry_if_failed=2, **facts)
    source.fetch(ARCHIVE, processor=pooch.Unzip(extract_dir=UNPACKED), downloader=http)
    return work / UNPACKED


def _plain(error: Exception) -> str:
    """What went wrong, in one line; those of requests are long and tell little."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(error, (requests.ConnectionError, requests.Timeout)):
        return "cannot be reached"
    return " ".join(str(error).split()) or type(error).__name__


def _place(films: dataset.Films, work: Path) -> tuple[str, ...]:
    """Bring the films that can be used to split/label/film below FILMS; name the others."""
    rows, problems = films.table, []
    with ThreadPoolExecutor() as pool, closing(pool.map(_problem, rows["path"])) as checked:
        for film in tqdm(rows.itertuples(), "Checking", len(rows), unit=" films"):
            if problem := next(checked):
                problems.append(problem)
                continue
            place = work / FILMS / film.split / film.label / film.film
            place.parent.mkdir(parents=True, exist_ok=True)
            # What kagglehub brought stays in its cache.
            (os.replace if work in Path(film.path).parents else shutil.copyfile)(film.path, place)
    if len(problems) == len(rows):
        raise DownloadError(f"{films.source}: no film can be used ({problems[0]}); run again")
    return (f"{len(problems):,} left out: {'; '.join(problems[:3])}",) if problems else ()


def _problem(path: str) -> str:
    """Why a film cannot be used; nothing if it can."""
    try:
        images.read_film(path, config.SOURCE_SIZE)
    except images.FilmError as error:
        return str(error)
    with Image.open(path) as image:
        small = min(image.size) < LEAST_SIDE
    return f"{Path(path).name}: a side below {LEAST_SIDE} pixels" if small else ""
