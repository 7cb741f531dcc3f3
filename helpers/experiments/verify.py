"""The committed final network against its record, on the full test films."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from helpers import config
from helpers.data import dataset
from helpers.models import ensemble
from helpers.training.study import Study

# Rounding differs between processors in the sixth digit; a thousandth means another network.
TOLERANCE = 1e-3


def final_network(results: Path = config.RESULTS, films: dataset.Films | None = None) -> str:
    """Score the test films with every kept member; say how far it is from the record.

    Nothing is learnt that the record does not say already, so the ledger gets no line.

    Raises:
        FilmError: not all test films are at hand.
        RuntimeError: a probability differs from the recorded one by more than TOLERANCE.
    """
    final = Study(results=results).run("final")
    recorded = final.seeds("test")
    films = dataset.at_hand() if films is None else films
    table = films.table[films.table["film"].isin(recorded.index)].reset_index(drop=True)
    if len(table) < len(recorded):
        raise dataset.FilmError(
            f"{films.source}: {len(table)} of the {len(recorded)} test films at hand; set "
            "STUDY_DATA to the full set, or run `make data`"
        )
    test = dataset.Films(films.source, table)
    test, pictures = Study(films=test, results=results).pictures(final.recipe)
    worst = 0.0
    for seed, member in zip(final.recipe.seeds, final.members(), strict=True):
        seen = pictures[final.recipe.view_of(seed)]
        probability = ensemble.predict(member, seen, final.recipe.mirrored)
        expected = recorded.loc[test.table["film"], seed].to_numpy()
        worst = max(worst, float(np.abs(probability - expected).max()))
    if worst > TOLERANCE:
        raise RuntimeError(
            f"the committed final network differs from its record by up to {worst:.2g}; "
            "run `make train`, or restore data/results with git"
        )
    told = f"{len(test.table)} test films, {len(final.recipe.seeds)} networks"
    return f"{told}: as recorded, within {worst:.1g}"
