"""The pictures under images/, drawn from the record and the packaged films."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from helpers import config, storage
from helpers.data import dataset
from helpers.plotting import data, results, style
from helpers.report import sentences
from helpers.training import record
from helpers.training.study import Study


def _lungs(label: str) -> Figure:
    films, pictures = dataset.load(dataset.packaged(), config.SOURCE_SIZE)
    seen = films.table["part"] == "training"
    return data.examples(films.table[seen], pictures[seen], label)[0].figure


def normal_lungs() -> Figure:
    """Eight training films without pneumonia."""
    return _lungs("NORMAL")


def pneumonia_lungs() -> Figure:
    """Eight training films with pneumonia, bacterial and viral."""
    return _lungs("PNEUMONIA")


def _estimates(part: str) -> dict:
    results = Study().run_all()
    return {result.recipe.title: result.estimate(part) for result in results.values()}


def comparison() -> Figure:
    """All networks on the test films with intervals."""
    test = _estimates("test")
    return results.comparison(test, title=sentences.comparison_title(test))[0].figure


def validation_and_test() -> Figure:
    """All trained networks on validation and on test films."""
    validation, test = _estimates("validation"), _estimates("test")
    for table in (validation, test):
        table.pop("Dummy")
    return results.validation_against_test(validation, test)[0].figure


def story() -> Figure:
    """The study in one figure: what validation promised and the test films kept."""
    validation, test = _estimates("validation"), _estimates("test")
    for table in (validation, test):
        table.pop("Dummy")
    return results.story(validation, test)[0].figure


PICTURES: dict[str, Callable[[], Figure]] = {
    "Normal_lungs.png": normal_lungs,
    "Pneumonia_lungs.png": pneumonia_lungs,
    "Comparison.png": comparison,
    "Validation_and_test.png": validation_and_test,
    "Story.png": story,
}


def write(folder: Path = config.IMAGES) -> list[Path]:
    """Draw every picture into ``folder``; return their paths.

    Raises:
        RecordError: the study is not recorded.
        FilmError: the packaged films are not installed.
    """
    style.use_style()
    # Without matplotlib's version: equal figures, equal bytes. A test reads the digest.
    facts = {"Software": None, "Source": f"record {record.state(config.RESULTS)}"}
    paths = []
    for name, draw in PICTURES.items():
        figure, path = draw(), folder / name
        with storage.whole(path) as part:
            figure.savefig(part, dpi=130, metadata=facts)
        plt.close(figure)
        paths.append(path)
    return paths
