"""Bringing the data set: whole or absent, whatever the network, the archive or the disk do."""

from __future__ import annotations

import errno
import functools
import hashlib
import io
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from helpers import storage
from helpers.data import download, manifest


@dataclass
class Site:
    """What the server does, and what it was asked and sent."""

    archive: bytes
    cuts: list[int] = field(default_factory=list)  # bytes after which an answer breaks off
    ranges: bool = True
    span: str = ""  # a wrong Content-Range to claim
    status: int = 200
    status_of_rest: int = 206
    announces: bool = True  # a Content-Length
    asked: list[str | None] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    url: str = ""

    def fetch(self, target: Path, expected: pd.DataFrame, **settings) -> download.dataset.Films:
        """Fetch the site's archive, with the facts that belong to it unless told otherwise."""
        facts = {"sha256": hashlib.sha256(self.archive).hexdigest(), "silent": True}
        facts["bytes_expected"] = len(self.archive)
        return download.fetch(target, self.url, expected=expected, **(facts | settings))


class Handler(BaseHTTPRequestHandler):
    """Answers as its site says."""

    def __init__(self, site: Site, *rest) -> None:
        self.site = site
        super().__init__(*rest)

    def do_GET(self) -> None:
        site, asked = self.site, self.headers.get("Range")
        start = int(asked[len("bytes=") : -1]) if asked and site.ranges else 0
        body = site.archive[start:]
        site.asked.append(asked)
        self.send_response(site.status_of_rest if start else site.status)
        if start:
            size = len(site.archive)
            self.send_header("Content-Range", site.span or f"bytes {start}-{size - 1}/{size}")
        if site.announces:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        body = body[: site.cuts.pop(0)] if site.cuts else body
        site.sent.append(len(body))
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        """Tests are quiet."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses, small chunks, and never the real Kaggle."""
    monkeypatch.setattr(download, "PAUSE", 0)
    monkeypatch.setattr(download, "CHUNK", 1000)
    monkeypatch.setitem(sys.modules, "kagglehub", None)


@pytest.fixture
def serve() -> Iterator[Callable[..., Site]]:
    """Start a server on the loopback for an archive."""
    servers = []

    def start(archive: bytes, **behaviour) -> Site:
        site = Site(archive, **behaviour)
        server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, site))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        site.url = f"http://127.0.0.1:{server.server_port}/archive.zip"
        return site

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def expected() -> pd.DataFrame:
    """Two films of each split and class."""
    return manifest.read().groupby(["split", "label"]).head(2).reset_index(drop=True)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "data" / "chest_xray"


def picture(seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (32, 32), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()


def zipped(films: pd.DataFrame, *more: str | zipfile.ZipInfo) -> bytes:
    """An archive laid out like the published one: val films stand in train, macOS was there."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as bundle:
        for seed, film in enumerate(films.itertuples()):
            split = "train" if film.split == "val" else film.split
            place = f"{split}/{film.label}"
            bundle.writestr(f"__MACOSX/chest_xray/{place}/._{film.film}", b"fork")
            bundle.writestr(f"chest_xray/{place}/{film.film}", picture(seed))
        for name in ("chest_xray/.DS_Store", "chest_xray/readme.txt", *more):
            bundle.writestr(name, picture())
    return file.getvalue()


def placed(films: pd.DataFrame) -> list[str]:
    return sorted(f"{row.split}/{row.label}/{row.film}" for row in films.itertuples())


def standing(folder: Path) -> list[str]:
    """All files below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in files)


def beside(target: Path) -> list[str]:
    """What lies beside the films, but for the lock, which stays."""
    return sorted(path.name for path in target.parent.iterdir() if path.suffix != ".lock")


def refused(run: Callable[[], object], *words: str) -> str:
    """Check that a run ends in one line that has these words."""
    with pytest.raises(download.DownloadError) as caught:
        run()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


def closed_port() -> str:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.server_close()
    return f"http://127.0.0.1:{server.server_port}/archive.zip"


def test_films_land_in_their_official_split(serve, expected, target):
    films = serve(zipped(expected)).fetch(target, expected)
    assert films.complete
    assert films.extra == ()
    assert standing(target) == placed(expected)
    assert beside(target) == ["chest_xray"]
    seed = list(expected["split"]).index("val")
    assert Path(films.table["path"][seed]).read_bytes() == picture(seed)


def test_a_second_run_asks_nothing_of_the_server(serve, expected, target):
    site = serve(zipped(expected))
    site.fetch(target, expected)
    films = site.fetch(target, expected)
    assert films.complete
    assert len(site.asked) == 1


def test_missing_and_extra_films_are_reported_and_extra_ones_left_out(serve, expected, target):
    site = serve(zipped(expected[1:], "chest_xray/train/NORMAL/other.jpeg"))
    films = site.fetch(target, expected)
    assert films.missing == (expected["film"][0],)
    assert films.extra == ("other.jpeg",)
    assert "1 missing" in films.describe()
    assert standing(target) == placed(expected[1:])
    refused(lambda: site.fetch(target, expected), "not complete", "1 missing", "move or delete")


@pytest.mark.parametrize("fill", ["nothing", "text"])
def test_a_folder_that_holds_something_else_is_kept(serve, expected, target, fill):
    target.mkdir(parents=True)
    if fill == "text":
        (target / "notes.txt").write_text("mine")
    site = serve(zipped(expected))
    refused(lambda: site.fetch(target, expected), str(target), "holds no film", "move or delete")
    assert standing(target) == (["notes.txt"] if fill == "text" else [])
    assert site.asked == []


def test_only_the_rest_is_sent_after_a_broken_connection(serve, expected, target):
    site = serve(zipped(expected), cuts=[2500])
    assert site.fetch(target, expected).complete
    assert site.asked == [None, "bytes=2500-"]
    assert site.sent == [2500, len(site.archive) - 2500]


def test_a_download_given_up_goes_on_in_the_next_run(serve, expected, target, monkeypatch):
    monkeypatch.setattr(download, "TRIES", 2)
    site = serve(zipped(expected), cuts=[2500, 0])
    refused(lambda: site.fetch(target, expected), site.url, "2,500 bytes", "run again")
    assert beside(target) == ["chest_xray.part"]
    assert site.fetch(target, expected).complete
    assert site.asked[-1] == "bytes=2500-"
    assert beside(target) == ["chest_xray"]


@pytest.mark.parametrize(
    "behaviour", [{"ranges": False}, {"span": "bytes 0-9/10"}, {"status_of_rest": 416}]
)
def test_a_server_that_cannot_go_on_sends_all_anew(serve, expected, target, behaviour):
    site = serve(zipped(expected), cuts=[2500], **behaviour)
    assert site.fetch(target, expected).complete
    assert site.asked[1] == "bytes=2500-"
    assert site.sent[-1] == len(site.archive)


def test_a_part_that_is_whole_needs_no_network(serve, expected, target):
    site = serve(zipped(expected))
    target.parent.mkdir()
    (target.parent / "chest_xray.part").write_bytes(site.archive)
    assert site.fetch(target, expected).complete
    assert site.asked == []


def test_another_hash_is_named_and_the_download_deleted(serve, expected, target):
    site = serve(zipped(expected))
    found = hashlib.sha256(site.archive).hexdigest()
    refused(lambda: site.fetch(target, expected, sha256="0" * 64), found, "0" * 64, "run again")
    assert beside(target) == []


def test_a_longer_file_without_announced_length_is_cut_and_refused(serve, expected, target):
    site = serve(zipped(expected) + bytes(1_000_000), announces=False)
    size = len(site.archive) - 1_000_000
    refused(lambda: site.fetch(target, expected, bytes_expected=size), "SHA-256", "run again")
    assert beside(target) == []


@pytest.mark.parametrize(
    "name",
    ["../evil.jpeg", "chest_xray/../../evil.jpeg", "/evil.jpeg", "..\\evil.jpeg", "C:\\evil.jpeg"],
)
def test_a_member_that_points_out_of_the_folder_is_refused(serve, expected, target, name):
    site = serve(zipped(expected, name))
    refused(lambda: site.fetch(target, expected), "points out", name)
    assert beside(target) == []
    assert standing(target.parent.parent) == ["data/.chest_xray.lock"]


def test_a_symbolic_link_is_refused(serve, expected, target):
    link = zipfile.ZipInfo("chest_xray/train/NORMAL/link.jpeg")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    refused(lambda: serve(zipped(expected, link)).fetch(target, expected), "symbolic link")
    assert beside(target) == []


@pytest.mark.parametrize(
    ("archive", "word"), [(b"no zip" * 100, "no sound zip"), (None, "none of the data set's films")]
)
def test_an_archive_without_films_is_refused(serve, expected, target, archive, word):
    site = serve(archive or zipped(expected[:0], "chest_xray/other.jpeg"))
    refused(lambda: site.fetch(target, expected), "chest_xray.part", word, "STUDY_DATA=")
    assert beside(target) == []


def test_a_run_beside_another_is_refused(serve, expected, target):
    site = serve(zipped(expected))
    with (
        storage.alone(target.parent / ".chest_xray.lock", "downloading"),
        pytest.raises(storage.BusyError, match=r"chest_xray\.lock: another run is downloading"),
    ):
        site.fetch(target, expected)
    assert site.asked == []


def test_what_a_killed_run_left_is_taken_over(serve, expected, target):
    (target.parent / ".chest_xray.unpacking" / "train").mkdir(parents=True)
    (target.parent / ".chest_xray.lock").write_text("")
    assert serve(zipped(expected)).fetch(target, expected).complete
    assert beside(target) == ["chest_xray"]


def test_a_full_disk_is_noticed_before_the_download(serve, expected, target, monkeypatch):
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: SimpleNamespace(free=1234))
    site = serve(zipped(expected))
    needed = f"{2 * len(site.archive):,} bytes are needed"
    refused(lambda: site.fetch(target, expected), str(target.parent), needed, "1,234 are free")
    assert site.asked == []
    assert beside(target) == []


def test_a_full_disk_is_noticed_before_unpacking(serve, expected, target, monkeypatch):
    free = iter([10**9, 12, 12])
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: SimpleNamespace(free=next(free)))
    refused(lambda: serve(zipped(expected)).fetch(target, expected), "disk is full", "12 are free")
    assert beside(target) == ["chest_xray.part"]


def test_a_disk_that_fills_up_keeps_the_download(serve, expected, target, monkeypatch):
    def full(*_) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    site = serve(zipped(expected))
    with monkeypatch.context() as patch:
        patch.setattr(download.shutil, "copyfileobj", full)
        refused(lambda: site.fetch(target, expected), "disk is full", "make room and run again")
    assert beside(target) == ["chest_xray.part"]
    assert site.fetch(target, expected).complete
    assert len(site.asked) == 1


def test_a_disk_that_fills_up_while_downloading_is_no_broken_connection(
    serve, expected, target, monkeypatch
):
    class Full(io.BytesIO):
        def write(self, _) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def opened(path: Path, *mode, **settings):
        return Full() if mode == ("wb",) else usual(path, *mode, **settings)

    usual = Path.open
    monkeypatch.setattr(Path, "open", opened)
    site = serve(zipped(expected))
    refused(lambda: site.fetch(target, expected), "disk is full")
    assert len(site.asked) == 1


def test_any_other_trouble_with_files_is_one_line(serve, expected, target):
    target.parent.write_text("a file where a folder should be")
    refused(lambda: serve(zipped(expected)).fetch(target, expected), str(target.parent))


@pytest.mark.parametrize("stage", ["_read", "verify", "_film_members"])
def test_control_c_keeps_the_part_alone(serve, expected, target, monkeypatch, stage):
    usual, calls = getattr(download, stage), []

    def interrupted(*rest):
        calls.append(rest)
        if len(calls) > 3 or stage != "_read":
            raise KeyboardInterrupt
        return usual(*rest)

    site = serve(zipped(expected))
    with monkeypatch.context() as patch:
        patch.setattr(download, stage, interrupted)
        with pytest.raises(KeyboardInterrupt):
            site.fetch(target, expected)
    assert beside(target) == ["chest_xray.part"]
    size = (target.parent / "chest_xray.part").stat().st_size
    assert size == (3000 if stage == "_read" else len(site.archive))
    assert site.fetch(target, expected).complete
    assert site.asked == ([None, "bytes=3000-"] if stage == "_read" else [None])


def kaggle(monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], str]) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=answer))


@pytest.mark.parametrize("trouble", ["closed", "missing", "other"])
def test_kaggle_helps_where_the_url_does_not(
    serve, expected, target, tmp_path, monkeypatch, capsys, trouble
):
    cache = tmp_path / "cache"
    with zipfile.ZipFile(io.BytesIO(zipped(expected))) as bundle:
        bundle.extractall(cache / "chest_xray")

    def answer(handle: str) -> str:
        print("Downloading", handle)
        return str(cache)

    kaggle(monkeypatch, answer)
    site = serve(zipped(expected), status=404 if trouble == "missing" else 200)
    site.url = closed_port() if trouble == "closed" else site.url
    size = len(site.archive) + (trouble == "other")
    films = site.fetch(target, expected, bytes_expected=size)
    assert films.complete
    assert standing(target) == placed(expected)
    assert beside(target) == ["chest_xray"]
    assert standing(cache)
    assert capsys.readouterr().out == ""


def test_both_reasons_are_told_where_kaggle_fails_too(expected, target, monkeypatch):
    def answer(_: str) -> str:
        raise ConnectionError("no route\nto Kaggle")

    kaggle(monkeypatch, answer)
    site = Site(b"archive", url=closed_port())
    words = (site.url, "refused", "no route to Kaggle", "STUDY_DATA=/path/to/chest_xray")
    refused(lambda: site.fetch(target, expected), *words)
    assert beside(target) == []


def test_a_missing_kagglehub_is_told(expected, target):
    site = Site(b"archive", url=closed_port())
    refused(lambda: site.fetch(target, expected), site.url, "pip install kagglehub", "STUDY_DATA=")


def test_bars_go_to_standard_error_or_nowhere(serve, expected, target, capsys):
    serve(zipped(expected)).fetch(target, expected, silent=False)
    told = capsys.readouterr()
    assert told.out == ""
    assert "Downloading" in told.err
    assert "Unpacking" in told.err
    serve(zipped(expected)).fetch(target.with_name("again"), expected)
    assert capsys.readouterr() == ("", "")
