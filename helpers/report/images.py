"""The pictures under images/, drawn from the record and the packaged films."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from helpers import config, plotting, storage
from helpers.data import dataset
from helpers.training import record
from helpers.training.study import Study


def _films(label: str) -> Figure:
    films, pictures = dataset.load(dataset.packaged(), config.SOURCE_SIZE)
    seen = films.table["part"] == "training"
    return plotting.examples(films.table[seen], pictures[seen], label)[0].figure


def _estimates(*parts: str) -> list[dict[str, pd.DataFrame]]:
    found = [result for result in Study().run_all().values() if result.recipe.epochs]
    parts = parts or ("validation", "test")
    return [{result.recipe.title: result.estimate(part) for result in found} for part in parts]


PICTURES = {
    "Normal_lungs.png": lambda: _films("NORMAL"),
    "Pneumonia_lungs.png": lambda: _films("PNEUMONIA"),
    "Comparison.png": lambda: plotting.comparison(*_estimates("test"))[0].figure,
    "Validation_and_test.png": lambda: plotting.validation_against_test(*_estimates())[0].figure,
    "Story.png": lambda: plotting.story(*_estimates())[0].figure,
}


def write(folder: Path = config.IMAGES) -> list[Path]:
    """Draw every picture into ``folder``; RecordError or FilmError where something is missing."""
    plotting.use_style()
    # Without matplotlib's version: equal figures, equal bytes. A test reads the digest.
    facts = {"Software": None, "Source": f"record {record.state(config.RESULTS)}"}
    for name, draw in PICTURES.items():
        with storage.whole(folder / name) as part:
            (figure := draw()).savefig(part, dpi=130, metadata=facts)
        plt.close(figure)
    return [folder / name for name in PICTURES]
