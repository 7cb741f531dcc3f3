"""What the tests share: a clean environment and a small folder of drawn films."""

import os
import shutil

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["MPLBACKEND"] = "Agg"
# Tests run in as many processes as there are cores: one thread each, or they wait for each other.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["TF_NUM_INTRAOP_THREADS"] = "1"

import numpy as np
import pytest
from PIL import Image

from helpers.data import manifest

# Films a part and subtype, enough for two classes everywhere and a few batches.
FEW = {"training": 6, "validation": 4, "test": 4}


@pytest.fixture(scope="session", autouse=True)
def environment(tmp_path_factory):
    """No setting of the user's reaches the tests; decoded films go to a temporary folder."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("STUDY_")]:
            patch.delenv(name)
        patch.setenv("STUDY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def tiny():
    """A few rows of the manifest: every part and subtype, both official train and val."""
    facts = manifest.read()
    few = facts.groupby(["part", "subtype"]).cumcount() < facts["part"].map(FEW)
    val = (facts["split"] == "val") & (facts.groupby(["split", "subtype"]).cumcount() == 0)
    return facts[few | val].reset_index(drop=True)


def draw_film(seed: int, bright: bool) -> Image.Image:
    """A grey picture, wider than high like most films; pneumonia is drawn brighter."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 120, (6, 8)) + 80 * bright
    return Image.fromarray(coarse.astype(np.uint8)).resize((64, 48), Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory, tiny):
    """Folder of drawn films under the names of ``tiny``, in Kaggle's layout; do not change it."""
    root = tmp_path_factory.mktemp("films") / "chest_xray"
    for seed, row in enumerate(tiny.itertuples()):
        path = root / row.split / row.label / row.film
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_film(seed, row.label == "PNEUMONIA").save(path, quality=95)
    return root


@pytest.fixture
def folder(drawn, tmp_path):
    """A copy of the drawn films that a test may change."""
    return shutil.copytree(drawn, tmp_path / "chest_xray")
