"""Start-up notes are dropped, everything else is not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from helpers import config, quiet


def test_what_is_written_inside_is_dropped_and_what_follows_is_not(capfd):
    with quiet.standard_error():
        os.write(2, b"note")
    os.write(2, b"error")
    assert capfd.readouterr().err == "error"


def test_standard_error_comes_back_after_an_exception(capfd):
    with pytest.raises(ImportError), quiet.standard_error():
        raise ImportError
    os.write(2, b"error")
    assert capfd.readouterr().err == "error"


def test_tensorflow_is_imported_without_a_word():
    code = (
        "from helpers import quiet; quiet.import_tensorflow(); from helpers.data import generators"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=config.ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize(("asked", "threads"), [(1, 1), (3, 3), (None, 0)])
def test_an_operation_takes_the_threads_asked_for(asked, threads):
    code = (
        f"from helpers import quiet; quiet.import_tensorflow({asked}); import tensorflow as tf; "
        "print(tf.config.threading.get_intra_op_parallelism_threads())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=config.ROOT, capture_output=True, text=True
    )
    assert done.stdout.strip() == str(threads)
