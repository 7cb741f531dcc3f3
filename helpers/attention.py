"""Where the networks look, from the record: maps against lungs, and against fresh weights.

Functions give frames, or sentences (Markdown) that stay true when the record changes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from helpers import config, evaluation, explain, lungs, manifest, record, telling, trust

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
    weights = evaluation.patient_weights(patients)
    drawn = weights @ films["inside"].to_numpy() / weights.sum(axis=1)
    low, high = evaluation.interval(pd.Series(drawn))
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


def looks_by_call_told(table: pd.DataFrame) -> str:
    """Where the maps of pneumonia calls lie, both networks."""
    rows = {name: table.loc[(name, "pneumonia")] for name in (trust.WITNESS, "final")}
    told = "; ".join(
        f"{trust.titles()[name]} {_share(row)} inside the lungs and {row['boxed']:.0%} in their "
        f"box (which cover {row['lung']:.0%} and {row['box']:.0%} of the film)"
        for name, row in rows.items()
    )
    more = rows["final"]["inside"] / rows[trust.WITNESS]["inside"]
    return (
        f"Where pneumonia is called the maps lie: {told}. The final network's share is "
        f"{evaluation.short(more, 2)} times CNN 5's."
    )


def _share(row: pd.Series) -> str:
    return telling.percent(row.rename({"inside": "value"}))


def ceiling_told(films: pd.DataFrame) -> str:
    """How much a map as coarse as Grad-CAM's could have inside at best; ``films`` the packaged."""
    drawn = lungs.resized(lungs.masks(films)[1].astype(np.uint8) * 255, lungs.SIDE) > 127
    best = explain.ceiling(drawn).mean()
    return (
        f"A map that is the drawn lungs themselves, seen in eight by eight fields, has {best:.0%} "
        "inside. So coarseness "
        f"{'explains' if best < INSIDE else 'does not explain'} a share below "
        f"{INSIDE:.0%}."
    )


def looks_told(table: pd.DataFrame) -> str:
    """How much of Grad-CAM lies in the lungs, against chance, CNN 5 and what was to be reached."""
    final, early = table.loc[("Grad-CAM", "final")], table.loc[("Grad-CAM", trust.WITNESS)]
    ratio = final["inside"] / early["inside"]
    verdict = "reached" if final["inside"] >= INSIDE and ratio >= TIMES else "missed"
    other = (
        table.loc[("occlusion", "final"), "inside"]
        - table.loc[("occlusion", trust.WITNESS), "inside"]
    )
    return (
        f"Of the final network's Grad-CAM {_share(final)} lies inside the drawn lungs, "
        f"which cover {final['lung']:.0%} of the film: "
        f"{evaluation.short(final['inside'] / final['lung'], 2)} times what a map without aim "
        f"would have. Of CNN 5's: {_share(early)}, so the final network's "
        f"share is {evaluation.short(ratio, 2)} times as large. At least {INSIDE:.0%} and {TIMES} "
        f"times was to be reached: {verdict}. By occlusion the final network has "
        f"{'more' if other > 0 else 'less'} inside than CNN 5 "
        f"({telling.minus(f'{100 * other:+.1f}')} points)."
    )


def likeness(root: Path = config.RESULTS) -> pd.DataFrame:
    """Mean rank correlation with the map of randomised weights: stage by network."""
    path = root / trust.FOLDER / trust.LIKENESS
    if not path.is_file():
        raise record.RecordError(f"{path}: not recorded; run `make trust`")
    table = pd.read_csv(path).rename(columns={"stage": "fresh weights in"})
    wide = table.pivot_table(index="fresh weights in", columns="network", values="correlation")
    return wide.loc[list(explain.STAGES)].rename(columns=trust.titles()).rename_axis(columns=None)


def likeness_told(table: pd.DataFrame) -> str:
    """Whether the maps depend on what was learnt."""
    last = table.loc["all"]
    told = " and ".join(f"{title} {evaluation.short(value, 2)}" for title, value in last.items())
    verdict = (
        "So the maps show what was learnt, not merely what the film looks like"
        if last.abs().max() < 0.5
        else "So a good part of the maps is the film's own edges: read them with care"
    )
    return (
        f"With all weights fresh the rank correlation with the trained network's map is {told}; 1 "
        f"would mean that training does not matter to the map. {verdict}."
    )
