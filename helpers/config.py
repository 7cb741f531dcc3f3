"""Constants of the study, each with its reason; TensorFlow without its start-up notes."""

import gc
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Where things lie in a checkout. The record is committed, build/ never is.
MANIFEST = ROOT / "data" / "manifest.csv"
RESULTS = ROOT / "data" / "results"
PEERS = ROOT / "data" / "peers.csv"
FULL_SET = ROOT / "data" / "chest_xray"
IMAGES = ROOT / "images"
NOTEBOOK = ROOT / "final_notebook.ipynb"
SLIDES = ROOT / "presentation.pdf"
BUILD = ROOT / "build"

# 224 is the side of the packaged films and of most published networks. Originals are brought
# to it first, so that every source of a film gives (nearly) the same pixels to a network.
SOURCE_SIZE = 224

# One seed for everything that is drawn once: the split, the bootstrap, example films.
SEED = 2018  # the year the films were published

# Label order is the class index: PNEUMONIA is the positive class, so recall is its recall.
LABELS = ("NORMAL", "PNEUMONIA")
SUBTYPES = ("normal", "bacterial", "viral")

# 2,000 draws put the Monte Carlo error of a 95% limit near .001, below what is printed.
BOOTSTRAP_DRAWS = 2000

# Okabe and Ito (2008), distinguishable with every common colour blindness and in grey:
# the blue is dark and the orange light.
COLOURS = {"NORMAL": "#0072B2", "PNEUMONIA": "#E69F00"}
INK, FAINT = "#222222", "#9a9a9a"
# The final network, wherever networks are drawn; the others are greys, lighter the earlier.
ACCENT = "#009E73"

# Source, as published (Mendeley Data V2, CC BY 4.0) and as mirrored on Kaggle.
ARCHIVE_URL = (
    "https://data.mendeley.com/public-files/datasets/rscbjbr9sj/files/"
    "f12eaf6d-6023-432f-acc9-80c9d7393433/file_downloaded"
)
ARCHIVE_BYTES = 1_235_512_464
ARCHIVE_SHA256 = "13efc055629733dbab07877f8b3c9f81097840dbcdaa326a8542322c2281ce36"
KAGGLE_HANDLE = "paultimothymooney/chest-xray-pneumonia"


def cache_folder() -> Path:
    """For decoded films: ``STUDY_CACHE``, else ``build/cache``; if read-only, a temporary one."""
    if named := os.environ.get("STUDY_CACHE"):
        return Path(named)
    here = BUILD / "cache"
    there = next(folder for folder in (here, *here.parents) if folder.exists())
    return here if os.access(there, os.W_OK) else temporary_folder()


def temporary_folder() -> Path:
    """A folder among the temporary files that nobody else can write; made where there is none."""
    folder = Path(tempfile.gettempdir()) / f"pneumonia-films-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder if folder.stat().st_uid == os.getuid() else Path(tempfile.mkdtemp())


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

    ``threads`` is how many one operation may take. TF_CPP_MIN_LOG_LEVEL does not reach the notes
    written while the library is loaded (https://github.com/tensorflow/tensorflow/issues/100442).
    Where there is no home folder that can be written, libraries keep their caches in a temporary.
    """
    if not os.access(os.path.expanduser("~"), os.W_OK):
        os.environ["HOME"] = str(temporary_folder())
    gc.disable()  # it would look through a million new objects again and again, a fifth of the time
    with standard_error():
        import keras  # noqa: F401
        import tensorflow
    gc.freeze()
    gc.enable()

    # Its advice on retracing is for programs that predict in a loop; ours asks several networks.
    tensorflow.get_logger().setLevel("ERROR")
    if threads is not None:
        with suppress(RuntimeError):  # TensorFlow is in use already
            tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
