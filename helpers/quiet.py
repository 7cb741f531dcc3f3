"""Importing TensorFlow without its start-up notes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def standard_error() -> Iterator[None]:
    """Drop what the process writes to file descriptor 2, C++ code included."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def import_tensorflow(threads: int | None = None) -> None:
    """Import TensorFlow and Keras; later imports find them loaded.

    ``threads`` is how many one operation may take; all by default.

    TF_CPP_MIN_LOG_LEVEL does not reach the notes that are written while the library is loaded
    (https://github.com/tensorflow/tensorflow/issues/100442). Errors are raised as ever.
    """
    with standard_error():
        import keras  # noqa: F401
        import tensorflow

    # Its advice on retracing is for programs that predict in a loop; ours asks several networks.
    tensorflow.get_logger().setLevel("ERROR")
    if threads is not None:
        with suppress(RuntimeError):  # TensorFlow is in use already
            tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
