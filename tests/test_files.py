"""Files are written whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from helpers import storage


class CrashError(Exception):
    """Something that goes wrong while a file is being written."""


def write_half(path, error):
    with storage.whole(path) as part:
        part.write_text("half")
        raise error


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with storage.whole(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [CrashError, KeyboardInterrupt])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error):
        write_half(path, error)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_failed_first_write_leaves_no_file(tmp_path):
    with pytest.raises(CrashError):
        write_half(tmp_path / "a.txt", CrashError)
    assert os.listdir(tmp_path) == []


def test_nothing_but_the_file_remains_after_a_write(tmp_path):
    storage.write_text(tmp_path / "a.txt", "new")
    assert os.listdir(tmp_path) == ["a.txt"]


def test_the_temporary_file_keeps_all_suffixes(tmp_path):
    with storage.whole(tmp_path / "state.weights.h5") as part:
        assert part.name.endswith(".weights.h5")


def test_the_temporary_file_lies_in_the_same_folder(tmp_path):
    with storage.whole(tmp_path / "a.txt") as part:
        assert part.parent == tmp_path


def test_missing_folders_are_made(tmp_path):
    storage.write_text(tmp_path / "b" / "c" / "a.txt", "new")
    assert (tmp_path / "b" / "c" / "a.txt").read_text() == "new"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize(("mask", "expected"), [(0o022, 0o644), (0o077, 0o600)])
def test_files_have_the_usual_permissions(tmp_path, mask, expected):
    before = os.umask(mask)
    try:
        storage.write_text(tmp_path / "a.txt", "new")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == expected


def test_writing_leaves_the_umask_alone(tmp_path):
    before = os.umask(0o027)
    try:
        storage.write_text(tmp_path / "a.txt", "new")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


def test_text_is_written_as_utf8_with_newlines_as_given(tmp_path):
    storage.write_text(tmp_path / "a.txt", "40° – é\nb\r\n")
    assert (tmp_path / "a.txt").read_bytes() == "40° – é\nb\r\n".encode()


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        storage.write_text(tmp_path / "file" / "a.txt", "new")


def test_a_lock_is_held_by_one_and_taken_over_from_the_dead(tmp_path):
    lock = tmp_path / "below" / "it.lock"
    with storage.alone(lock, "training"):
        assert lock.read_text() == str(os.getpid())
        with (
            pytest.raises(storage.BusyError, match="another run is training"),
            storage.alone(lock, "training"),
        ):
            raise AssertionError("held twice")
    assert not lock.exists()
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    lock.write_text(str(process.pid))
    with storage.alone(lock, "training"):
        assert lock.read_text() == str(os.getpid())
