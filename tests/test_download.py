"""Bringing the data set: whole or absent, whatever the network, the archive or the disk do."""

import hashlib
import io
import logging
import sys
import threading
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pooch
import pytest
from kagglesdk import kaggle_env
from PIL import Image

from helpers import config, storage
from helpers.data import download, manifest

# Two films of each split and class: all that is expected here.
FILMS = manifest.read().groupby(["split", "label"]).head(2).reset_index(drop=True)


class Handler(BaseHTTPRequestHandler):
    """Mendeley (GET) and Kaggle (POST, and GET with a range), as the server says."""

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        if wanted:
            self.send(wanted, 206, self.server.kaggle[int(wanted[len("bytes=") : -1]) :])
        else:
            self.send("Mendeley", self.server.status, self.server.archive)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("GetDataset"):
            self.send("", 200, b'{"currentVersionNumber": 2}', "application/json")
        else:
            self.send("Kaggle", 200 if self.server.kaggle else 503, self.server.kaggle)

    def send(self, asked: str, status: int, body: bytes, kind: str = "application/zip") -> None:
        self.send_response(status)
        for name, value in (("Length", len(body)), ("Type", kind)):
            self.send_header(f"Content-{name}", str(value))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        self.server.asked += [asked] if asked else []
        cuts = self.server.cuts if asked else []
        self.wfile.write(body[: cuts.pop(0)] if cuts else body)

    def log_message(self, *_) -> None:
        """Tests are quiet."""


class Site(ThreadingHTTPServer):
    """What is sent and after how many bytes an answer breaks off; what was asked."""

    def fetch(self, target: Path, sha256: str = "", size: int = 0):
        """Fetch the archive, with the facts that belong to it or those given."""
        sha256 = sha256 or hashlib.sha256(self.archive).hexdigest()
        facts = {"URL": self.url, "SHA256": sha256, "BYTES": size or len(self.archive)}
        with pytest.MonkeyPatch.context() as patch:
            for name, fact in facts.items():
                patch.setattr(config, f"ARCHIVE_{name}", fact)
            patch.setattr(manifest, "read", FILMS.copy)
            return download.fetch(target)


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """Start a server on the loopback that is Mendeley and Kaggle; nothing real is asked."""
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr(logging.getLogger("kagglehub"), "handlers", [])
    settings = {"NO_PROXY": "127.0.0.1", "KAGGLE_API_ENVIRONMENT": "LOCALHOST"}
    settings |= {name: str(tmp_path / name) for name in ("KAGGLEHUB_CACHE", "KAGGLE_CONFIG_DIR")}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    def start(archive: bytes, status: int = 200, kaggle: bytes = b"", cuts: tuple = ()) -> Site:
        vars(site).update(archive=archive, status=status, kaggle=kaggle, cuts=list(cuts), asked=[])
        return site

    with Site(("127.0.0.1", 0), Handler) as site:
        threading.Thread(target=site.serve_forever, args=(0.01,), daemon=True).start()
        address = f"http://127.0.0.1:{site.server_port}"
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, address)
        site.url = f"{address}/archive.zip"
        yield start
        site.shutdown()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data" / "chest_xray"


def picture(seed: int = 0, side: int = 128) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()


def zipped(films, more: dict[str, bytes] | None = None) -> bytes:
    """An archive laid out like the published one: val films stand in train, macOS was there."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as bundle:
        for seed, film in enumerate(films.itertuples()):
            place = f"{'train' if film.split == 'val' else film.split}/{film.label}"
            bundle.writestr(f"__MACOSX/chest_xray/{place}/._{film.film}", b"fork")
            bundle.writestr(f"chest_xray/{place}/{film.film}", picture(seed))
        for name, content in {"chest_xray/readme.txt": b"about", **(more or {})}.items():
            bundle.writestr(name, content)
    return file.getvalue()


def placed(films, root: str = "") -> list[str]:
    return sorted(f"{root}{row.split}/{row.label}/{row.film}" for row in films.itertuples())


def standing(folder: Path) -> list[str]:
    """All files below a folder but for the lock, which stays."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return sorted(path.relative_to(folder).as_posix() for path in files)


def refused(run: Callable[[], object], *words: str) -> None:
    """Check that a run ends in one line that has these words."""
    with pytest.raises(download.DownloadError) as caught:
        run()
    assert "\n" not in str(caught.value)
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize("cuts", [(), (2500,)], ids=["at once", "broken off"])
def test_films_land_in_their_official_split_and_are_not_fetched_twice(serve, target, capsys, cuts):
    site = serve(zipped(FILMS), cuts=cuts)
    for _ in range(2):
        films = site.fetch(target)
        assert (films.complete, films.extra, films.notes) == (True, (), ())
    assert standing(target.parent) == placed(FILMS, "chest_xray/")
    seed = list(FILMS["split"]).index("val")
    assert Path(films.table["path"][seed]).read_bytes() == picture(seed)
    assert site.asked == ["Mendeley"] * (1 + len(cuts))  # again from the beginning
    out, err = capsys.readouterr()
    assert (out, "Checking" in err) == ("", True)


def test_missing_and_extra_films_are_reported_and_extra_ones_left_out(serve, target):
    site = serve(zipped(FILMS[1:], {"chest_xray/train/NORMAL/other.jpeg": picture()}))
    films = site.fetch(target)
    assert (films.missing, films.extra) == ((FILMS["film"][0],), ("other.jpeg",))
    assert "1 missing" in films.describe()
    assert standing(target) == placed(FILMS[1:])
    refused(lambda: site.fetch(target), "not complete", "1 missing", "move or delete")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(picture()[:500], "cannot be decoded"), (b"none", "no"), (picture(side=32), "a side below")],
)
def test_a_film_that_cannot_be_used_is_left_out_and_named(serve, target, content, reason):
    bad = FILMS["film"][0]
    films = serve(zipped(FILMS[1:], {f"chest_xray/{bad}": content})).fetch(target)
    assert films.missing == (bad,)
    assert f"1 left out: {bad}: " in films.describe()
    assert reason in films.notes[-1]
    assert standing(target) == placed(FILMS[1:])


def test_a_folder_that_holds_something_else_is_kept(serve, target):
    target.mkdir(parents=True)
    site, words = serve(zipped(FILMS)), (str(target), "holds no film", "move or delete")
    refused(lambda: site.fetch(target), *words)
    (target / "notes.txt").write_text("mine")
    refused(lambda: site.fetch(target), *words)
    assert (standing(target), site.asked) == (["notes.txt"], [])


LINK = zipfile.ZipInfo("chest_xray/train/NORMAL/link.jpeg")
LINK.create_system, LINK.external_attr = 3, 0o120777 << 16


@pytest.mark.parametrize(
    "name", ["../evil.jpeg", "chest_xray/../../../evil.jpeg", "/evil.jpeg", "..\\evil.jpeg", LINK]
)
def test_a_member_that_points_out_of_the_folder_stays_within(serve, target, name):
    films = serve(zipped(FILMS, {name: picture()})).fetch(target)
    assert films.complete
    assert standing(target.parent.parent) == placed(FILMS, "data/chest_xray/")


def test_a_wrong_file_or_one_without_films_is_named_and_not_taken(serve, target):
    site = serve(b"an error page")
    words = (site.url, hashlib.sha256(site.archive).hexdigest(), "0" * 64, "STUDY_DATA=")
    refused(lambda: site.fetch(target, sha256="0" * 64), *words)
    assert standing(target.parent) == []
    refused(lambda: site.fetch(target), "not a zip file", "STUDY_DATA=")
    serve(zipped(FILMS[:0], {"chest_xray/other.jpeg": picture()}))
    refused(lambda: site.fetch(target), "none of the data set's films", "STUDY_DATA=")
    assert not target.exists()


def test_a_run_beside_another_is_refused(serve, target):
    site = serve(zipped(FILMS))
    busy = pytest.raises(storage.BusyError, match=r"chest_xray\.lock: another run is downloading")
    with storage.alone(target.parent / ".chest_xray.lock", "downloading"), busy:
        site.fetch(target)
    assert site.asked == []


def test_nothing_half_written_by_a_killed_run_is_taken_for_whole(serve, target):
    work = target.parent / ".chest_xray.partly"
    site = serve(zipped(FILMS))
    for half in (download.ARCHIVE, f"unpacked/{FILMS['film'][0]}", "films/a.jpeg", "tmp12"):
        (work / half).parent.mkdir(parents=True, exist_ok=True)
        (work / half).write_bytes(site.archive[:1000])
    assert site.fetch(target).complete
    assert standing(target.parent) == placed(FILMS, "chest_xray/")


@pytest.mark.parametrize(
    ("stage", "kept"),
    [("pooch.core.hash_matches", False), ("zipfile.ZipFile.extractall", True)]
    + [("helpers.data.download._problem", True), ("helpers.data.download.os.replace", True)],
)
@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interruption_or_a_full_disk_keeps_a_whole_archive_alone(
    serve, target, monkeypatch, stage, kept, trouble
):
    def troubled(*_, **__):
        raise trouble

    site = serve(zipped(FILMS))
    with monkeypatch.context() as patch:
        patch.setattr(stage, troubled)
        with pytest.raises((KeyboardInterrupt, download.DownloadError)) as caught:
            site.fetch(target)
    if isinstance(trouble, OSError):
        assert "No space left on device; mend that and run again" in str(caught.value)
    assert standing(target.parent) == ([f".chest_xray.partly/{download.ARCHIVE}"] * kept)
    assert site.fetch(target).complete
    assert site.asked == ["Mendeley"] * (1 if kept else 2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk always full")
def test_a_disk_that_fills_up_while_downloading_is_no_broken_connection(serve, target, monkeypatch):
    site = serve(zipped(FILMS), kaggle=zipped(FILMS))
    full = Path("/dev/full").open
    monkeypatch.setattr(pooch.downloaders, "open", lambda *_: full("wb"), raising=False)
    refused(lambda: site.fetch(target), str(target), "No space left", "run again")
    assert site.asked == ["Mendeley"]


def test_a_disk_without_room_is_named_before_anything_is_asked(serve, target, monkeypatch):
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: SimpleNamespace(free=1234))
    site = serve(zipped(FILMS))
    needed = f"{2 * len(site.archive):,} bytes are needed"
    refused(lambda: site.fetch(target), str(target.parent), needed, "1,234 are free")
    assert (site.asked, standing(target.parent)) == ([], [])


def test_any_other_trouble_with_files_is_one_line(serve, target):
    target.parent.write_text("a file where a folder should be")
    refused(lambda: serve(zipped(FILMS)).fetch(target), str(target.parent))


@pytest.mark.parametrize("trouble", ["closed", "missing", "cut", "other"])
def test_kaggle_helps_where_mendeley_does_not(serve, target, capsys, trouble):
    site = serve(zipped(FILMS), kaggle=zipped(FILMS))
    site.status = 404 if trouble == "missing" else 200
    site.cuts = [2500, 0, 99] if trouble == "cut" else []
    site.url = "http://127.0.0.1:1/archive.zip" if trouble == "closed" else site.url
    reason = {"closed": "reached", "missing": "404", "cut": "broke off", "other": "not match"}
    films = site.fetch(target, sha256="0" * 64 if trouble == "other" else "")
    assert films.complete
    assert standing(target.parent) == placed(FILMS, "chest_xray/")
    assert films.notes[0].startswith(f"from Kaggle, because {site.url}: ")
    assert reason[trouble] in films.notes[0]
    assert capsys.readouterr().out == ""


def test_kaggles_copy_goes_on_where_it_was_interrupted(serve, target):
    large = zipped(FILMS, {"readme.txt": bytes(3 << 20)})
    site = serve(b"", status=404, kaggle=large, cuts=[0, 0, 0, 2 << 20])
    words = (site.url, "HTTP 404", "chest-xray-pneumonia: the connection broke off", "STUDY_DATA=")
    refused(lambda: site.fetch(target, size=9), *words)
    assert standing(target.parent) == []
    assert site.fetch(target, size=9).complete
    assert site.asked[-2:] == ["Kaggle", f"bytes={2 << 20}-"]


def test_both_reasons_are_given_where_kaggle_fails_too(serve, target, monkeypatch):
    site = serve(b"", status=404)
    refused(lambda: site.fetch(target), "HTTP 404", "HTTP 503", "STUDY_DATA=")
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    refused(lambda: site.fetch(target), site.url, "kagglehub", "STUDY_DATA=")
