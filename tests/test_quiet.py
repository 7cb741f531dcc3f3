"""Start-up notes are dropped, everything else is not."""

import os
import subprocess
import sys
from contextlib import suppress

import pytest

from helpers import config


def written(*lines: str) -> str:
    """What a process of its own writes while it runs these lines of Python."""
    command = [sys.executable, "-c", "\n".join(["from helpers import config", *lines])]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.run(command, cwd=config.ROOT, check=True, **streams).stdout


@pytest.mark.parametrize("error", [None, ImportError])
def test_what_is_written_inside_is_dropped_and_what_follows_is_not(capfd, error):
    with suppress(ImportError), config.standard_error():
        os.write(2, b"note")
        if error:
            raise error
    os.write(2, b"error")
    assert capfd.readouterr().err == "error"


def test_tensorflow_is_imported_without_a_word():
    assert not written("config.import_tensorflow()", "from helpers.data import generators")


@pytest.mark.parametrize(("asked", "threads"), [(1, 1), (3, 3), (None, 0)])
def test_an_operation_takes_the_threads_asked_for(asked, threads):
    setting = "print(tensorflow.config.threading.get_intra_op_parallelism_threads())"
    lines = f"config.import_tensorflow({asked})", "import tensorflow", setting
    assert written(*lines).strip() == str(threads)
