"""Files are written whole or not at all, by one run at a time."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from helpers import storage
from helpers.training import record

# Notes an opening for every number it is sent, and says when that is done.
WRITER = """
import sys
from pathlib import Path
from helpers.training import recipes, record
for line in sys.stdin:
    record.note_opening(Path(sys.argv[1]), recipes.get("cnn_1"), int(line))
    print("noted", flush=True)
"""

# Holds a lock and waits to be killed.
HOLDER = """
import sys, time
from pathlib import Path
from helpers import storage
with storage.alone(Path(sys.argv[1]), "holding"):
    print("held", flush=True)
    time.sleep(60)
"""


def start(code: str, path: Path) -> subprocess.Popen:
    """Run Python code in a process of its own, which reads and writes pipes."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code, str(path)], **pipes)


def write_half(path, error):
    with storage.whole(path) as part:
        part.write_text("half")
        raise error


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "state.weights.h5"
    path.write_text("old")
    with storage.whole(path) as part:
        assert (part.parent, part.name[-11:]) == (tmp_path, ".weights.h5")
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["state.weights.h5"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("old", ["old", None])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, error, old):
    path = tmp_path / "a.txt"
    if old:
        path.write_text(old)
    with pytest.raises(error):
        write_half(path, error)
    assert [file.read_text() for file in tmp_path.iterdir()] == ([old] if old else [])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize(("mask", "expected"), [(0o022, 0o644), (0o077, 0o600)])
def test_files_have_the_usual_permissions(tmp_path, mask, expected):
    before = os.umask(mask)
    try:
        storage.write_text(tmp_path / "a.txt", "new")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == expected


def test_text_is_written_as_utf8_with_newlines_as_given_and_folders_are_made(tmp_path):
    storage.write_text(tmp_path / "b" / "c" / "a.txt", "40° – é\nb\r\n")
    assert (tmp_path / "b" / "c" / "a.txt").read_bytes() == "40° – é\nb\r\n".encode()
    with pytest.raises(OSError, match=r"a\.txt"):
        storage.write_text(tmp_path / "b" / "c" / "a.txt" / "no folder.txt", "new")


def test_a_lock_is_held_by_one_and_waited_for_a_while(tmp_path):
    lock, taken, leave = tmp_path / "below" / "it.lock", threading.Event(), threading.Event()

    def hold():
        with storage.alone(lock, "training"):
            taken.set()
            leave.wait(10)

    holder = threading.Thread(target=hold)
    with storage.alone(lock, "training"):
        reason = pytest.raises(storage.BusyError, match=r"it\.lock: another run is training")
        with reason, storage.alone(lock, "training", patience=0.05):
            raise AssertionError("held twice")
    holder.start()
    assert taken.wait(10)
    threading.Timer(0.2, leave.set).start()
    with storage.alone(lock, "training", patience=10):
        assert leave.is_set()
    holder.join()


def test_a_lock_ends_with_the_process_that_held_it(tmp_path):
    with start(HOLDER, tmp_path / "lock") as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(storage.BusyError), storage.alone(tmp_path / "lock", "holding"):
            raise AssertionError("held twice")
        process.kill()
    with storage.alone(tmp_path / "lock", "holding"):
        pass


def test_two_writers_of_the_ledger_started_a_hundred_times_lose_no_line(tmp_path):
    with start(WRITER, tmp_path) as one, start(WRITER, tmp_path) as other:
        for turn in range(100):
            for number, writer in enumerate((one, other)):
                print(2 * turn + number, file=writer.stdin, flush=True)
            assert [writer.stdout.readline() for writer in (one, other)] == ["noted\n"] * 2
    assert sorted(record.openings(tmp_path)["films"]) == list(range(200))
    assert subprocess.run(["git", "check-ignore", "-q", ".test_openings.csv.lock"]).returncode == 0
