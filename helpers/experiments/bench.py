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
CORRUPTED = {  # column of the record: corruption and strength
    f"{name} {strength}": (name, strength)
    for name in perturbations.CORRUPTIONS
    for strength in perturbations.STRENGTHS
} | {name: (name, 1) for name in perturbations.STORAGE_ERRORS}
CHANGES = (PLAIN, *CORRUPTED, *BLACKENED)


def changed(change: str, films: np.ndarray, found: Found) -> np.ndarray:
    """Films (n, 224, 224) uint8 after one of CHANGES or ``perturbations.HARMLESS``."""
    if change == PLAIN:
        return films
    if change in CORRUPTED:
        return perturbations.corrupt(*CORRUPTED[change], films)
    if change in perturbations.HARMLESS:
        harmless = perturbations.HARMLESS[change]
        return np.array([harmless(film, number) for number, film in enumerate(films)])
    rows = enumerate(films)
    return np.array([views.blackened(f, found, row, BLACKENED[change]) for row, f in rows])


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
        """Some films after a change, and their lungs."""
        found = self.found.of(rows)
        films = changed(change, self.pictures[rows], found)
        if change in (PLAIN, *BLACKENED):  # where lungs are blacked out there are none to find
            return films, found
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
