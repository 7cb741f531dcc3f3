"""Where the networks look, from the record: maps against lungs, and against fresh weights.

Functions give frames, or sentences (Markdown) that stay true when the record changes.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers import config, explain
from helpers.data import manifest
from helpers.evaluation import metrics
from helpers.experiments import trust
from helpers.training import record

# What was to be reached of Grad-CAM: the share inside the lungs, and how many times CNN 5's.
INSIDE, TIMES = 0.60, 1.5


def looks(root: Path = config.RESULTS) -> pd.DataFrame:
    """Share of each map inside the drawn lungs: film, part, lung, network, method, inside."""
    path = root / trust.FOLDER / trust.LOOKS
    if not path.is_file():
        raise record.RecordError(f"{path}: not recorded; run `make trust`")
    return pd.read_csv(path)


def _mean_inside(films: pd.DataFrame) -> dict[str, float]:
    """Mean share inside with limits, and what a map without aim would have."""
    patients = manifest.read().set_index("film")["patient"].loc[films["film"]]
    weights = metrics.patient_weights(patients)
    drawn = weights @ films["inside"].to_numpy() / weights.sum(axis=1)
    low, high = metrics.interval(pd.Series(drawn))
    return {
        "inside": films["inside"].mean(),
        "low": low,
        "high": high,
        "lung": films["lung"].mean(),
        "boxed": films["boxed"].mean(),
        "box": films["box"].mean(),
        "films": len(films),
    }


def looks_table(table: pd.DataFrame) -> pd.DataFrame:
    """Share of the maps in the drawn lungs: index (method, network), columns as measured.

    inside, low, high; lung (the lungs' share of the film); boxed and box, the same for the box
    around both lungs; films.
    """
    drawn = table.query("outline == 'drawn'").dropna(subset="inside")
    rows = {key: _mean_inside(films) for key, films in drawn.groupby(["method", "network"])}
    return pd.DataFrame(rows).T.rename_axis(index=["method", "network"])


def looks_by_call(table: pd.DataFrame) -> pd.DataFrame:
    """The same by Grad-CAM on test films, with the lungs found: index (network, call)."""
    found = table.query("outline == 'found'").dropna(subset="inside")
    call = found["called"].map({True: "pneumonia", False: "normal"}).rename("call")
    rows = {key: _mean_inside(films) for key, films in found.groupby(["network", call])}
    return pd.DataFrame(rows).T.rename_axis(index=["network", "call"])


def likeness(root: Path = config.RESULTS) -> pd.DataFrame:
    """Mean rank correlation with the map of randomised weights: stage by network."""
    path = root / trust.FOLDER / trust.LIKENESS
    if not path.is_file():
        raise record.RecordError(f"{path}: not recorded; run `make trust`")
    table = pd.read_csv(path).rename(columns={"stage": "fresh weights in"})
    wide = table.pivot_table(index="fresh weights in", columns="network", values="correlation")
    return wide.loc[list(explain.STAGES)].rename(columns=trust.titles()).rename_axis(columns=None)
