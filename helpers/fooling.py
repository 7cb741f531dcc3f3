"""How many decisions of the kept networks flip when a film comes from another apparatus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers import config, dataset, lungs, record, robustness, stress, training, views
from helpers.study import Result, Study

NETWORKS = ("residual", "final")


def answers(result: Result, pictures: np.ndarray, found: lungs.Found) -> np.ndarray:
    """A recorded network's probability for films (n, 224, 224) uint8, mean over its members."""
    recipe = result.recipe
    seen = {view: views.look(view, pictures, found, recipe.side) for view in recipe.views}
    told = [
        training.predict(member, seen[recipe.view_of(seed)], recipe.mirrored)
        for seed, member in zip(recipe.seeds, result.members(), strict=True)
    ]
    return np.mean(told, axis=0)


def measure(
    films: dataset.Films, networks: Sequence[str] = NETWORKS, parts: Sequence[str] = ("test",)
) -> pd.DataFrame:
    """Flips for each network, part, class and change: network, part, label, change, films, flips.

    ``films`` must hold the full set. Donors are training films. Each film's lungs are looked
    for anew after the change, as they would be in use.
    """
    films, pictures = dataset.load(films, config.SOURCE_SIZE)
    table = films.table.join(stress.read()[["margin", "marker"]], on="film")
    given = robustness.donors(table, table["margin"].to_numpy(), table["marker"].to_numpy() > 0)
    segmenter = record.load_network(config.RESULTS, lungs.NAME)
    results = {name: Study().run(name) for name in networks}
    rows = []
    for part in parts:
        own = np.flatnonzero(table["part"] == part)
        plain = pictures[own]
        found = lungs.find(segmenter, plain)
        before = {n: answers(r, plain, found) >= r.threshold for n, r in results.items()}
        for change in robustness.CHANGES:
            made = robustness.counterfactuals(change, plain, pictures[given[own]])
            found = lungs.find(segmenter, made)
            for name, result in results.items():
                flipped = (answers(result, made, found) >= result.threshold) != before[name]
                for label in config.LABELS:
                    kind = (table["label"].iloc[own] == label).to_numpy()
                    rows.append(
                        {
                            "network": result.recipe.title,
                            "part": part,
                            "label": label,
                            "change": change,
                            "films": int(kind.sum()),
                            "flips": int(flipped[kind].sum()),
                        }
                    )
    return pd.DataFrame(rows)
