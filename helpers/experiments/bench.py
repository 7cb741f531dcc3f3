"""The full films on the bench: with lungs and backgrounds, and changed on purpose."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from helpers import config
from helpers.data import dataset, manifest
from helpers.models import lungs, views
from helpers.models.lungs import Found
from helpers.shortcuts import acquisition, perturbations
from helpers.training import record

PLAIN = "as it is"
BLACKENED = {"lungs blacked out": True, "all but the lungs blacked out": False}
CHANGES = (PLAIN, *perturbations.CORRUPTED, *BLACKENED)


class Bench:
    """Films ready for experiments: ``pictures`` (n, 224, 224) uint8 and their lungs, ``found``.

    ``table``, a row a film: the manifest's columns and those of ``acquisition.read``.
    """

    def __init__(self, table: pd.DataFrame, pictures: np.ndarray, segmenter: keras.Model) -> None:
        self.table, self.pictures, self.segmenter = table, pictures, segmenter
        self.found = lungs.find(segmenter, pictures)

    def rows(self, part: str) -> np.ndarray:
        """Positions of the films of one part."""
        return np.flatnonzero(self.table["part"] == part)

    def changed(self, change: str, rows: np.ndarray) -> tuple[np.ndarray, Found]:
        """Some films after one of CHANGES or ``perturbations.HARMLESS``, and their lungs."""
        films, found = self.pictures[rows], self.found.of(rows)
        if change == PLAIN:
            return films, found
        if change in BLACKENED:  # of which nobody could find the lungs
            inside, each = BLACKENED[change], enumerate(films)
            return np.array([views.blackened(f, found, row, inside) for row, f in each]), found
        films = perturbations.changed(change, films)
        return films, lungs.find(self.segmenter, films)


def prepare(
    films: dataset.Films, root: Path = config.RESULTS, parts: Sequence[str] = manifest.PARTS
) -> Bench:
    """Read the films of some parts; FilmError where they are not the full set."""
    if not films.complete:
        raise dataset.FilmError(f"{films.source}: this needs the full set; run `make data`")
    segmenter = record.load_network(root, lungs.NAME)
    ours = films.table[films.table["part"].isin(parts)].reset_index(drop=True)
    films, pictures = dataset.load(replace(films, table=ours), config.SOURCE_SIZE)
    table = films.table
    if (root / acquisition.FOLDER / acquisition.TABLE).is_file():
        table = table.join(acquisition.read(root).drop(columns="part"), on="film")
    return Bench(table, pictures, segmenter)
