"""How many decisions of the kept networks flip when a film comes from another apparatus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers import config
from helpers.data import dataset
from helpers.models import lungs
from helpers.shortcuts import acquisition, perturbations
from helpers.training import record
from helpers.training.study import Study

NETWORKS = ("residual", "final")


def measure(
    films: dataset.Films, networks: Sequence[str] = NETWORKS, parts: Sequence[str] = ("test",)
) -> pd.DataFrame:
    """Flips for each network, part, class and change: network, part, label, change, films, flips.

    ``films`` must hold the full set. Donors are training films. Each film's lungs are looked
    for anew after the change, as they would be in use.
    """
    films, pictures = dataset.load(films, config.SOURCE_SIZE)
    table = films.table.join(acquisition.read()[["margin", "marker"]], on="film")
    given = perturbations.donors(table, table["margin"].to_numpy(), table["marker"].to_numpy() > 0)
    segmenter = record.load_network(config.RESULTS, lungs.NAME)
    seats = {name: Study().run(name).ensemble() for name in networks}
    rows = []
    for part in parts:
        own = np.flatnonzero(table["part"] == part)
        plain = pictures[own]
        found = lungs.find(segmenter, plain)
        before = {n: s.answers(plain, found) >= s.threshold for n, s in seats.items()}
        for change in perturbations.CHANGES:
            made = perturbations.counterfactuals(change, plain, pictures[given[own]])
            found = lungs.find(segmenter, made)
            for name, committee in seats.items():
                flipped = (committee.answers(made, found) >= committee.threshold) != before[name]
                for label in config.LABELS:
                    kind = (table["label"].iloc[own] == label).to_numpy()
                    rows.append(
                        {
                            "network": committee.title,
                            "part": part,
                            "label": label,
                            "change": change,
                            "films": int(kind.sum()),
                            "flips": int(flipped[kind].sum()),
                        }
                    )
    return pd.DataFrame(rows)
