"""Chapter 9's tables, read from what ``trust`` recorded: what breaks a network, where it looks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from helpers import config, explain
from helpers.data import manifest
from helpers.evaluation import calibration, decisions, metrics
from helpers.experiments import trust
from helpers.shortcuts import acquisition, perturbations
from helpers.training import record
from helpers.training.study import Result, Study

METRICS = ("AUROC", "sensitivity", "specificity")
# What was to be reached; fixed before it was measured.
LOSS, DECIDED, REFERRED = 0.03, 0.97, 0.20


# -- films changed ---------------------------------------------------------------------------


def answers(name: str, root: Path = config.RESULTS) -> pd.DataFrame:
    """Recorded probabilities of one network: test films (rows) by change (columns).

    Raises:
        RecordError: not recorded.
    """
    path = root / trust.FOLDER / f"{name}.csv"
    if not path.is_file():
        raise record.RecordError(f"{path}: not recorded; run `make trust`")
    return pd.read_csv(path, index_col="film")


def thresholds(root: Path = config.RESULTS) -> dict[str, float]:
    """The operating points of the two networks, by name."""
    reference = record.read_facts(root / trust.FOLDER, trust.REFERENCE)
    return {
        trust.REFERENCE: reference["threshold"],
        "final": Study(results=root).run("final").threshold,
    }


def scores(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Scores as ``evaluation`` takes them for each change of ``changed``."""
    facts = manifest.read().set_index("film").loc[table.index, ["label", "patient"]]
    facts = facts.assign(y=facts["label"].eq("PNEUMONIA").astype(int)).reset_index()
    return {change: facts.assign(probability=table[change].to_numpy()) for change in table}


def robustness(name: str, threshold: float, root: Path = config.RESULTS) -> pd.DataFrame:
    """METRICS of one network under each corruption and strength: index (corruption, strength).

    Strength 0 is the film as it is; one row of it for each corruption.
    """
    scored, rows = scores(answers(name, root)), {}
    for corruption in (*perturbations.CORRUPTIONS, *perturbations.STORAGE_ERRORS):
        rows[corruption, 0] = metrics.point(scored[trust.PLAIN], threshold)
    for column, (corruption, strength) in trust.CORRUPTED.items():
        rows[corruption, strength] = metrics.point(scored[column], threshold)
    table = pd.DataFrame(rows).T[list(METRICS)].sort_index()
    return table.rename_axis(index=["corruption", "strength"])


def loss(name: str, root: Path = config.RESULTS) -> pd.Series:
    """Mean relative loss of AUROC over the eight corruptions at five strengths: value, low, high.

    (AUROC as it is - AUROC corrupted) / AUROC as it is; paired bootstrap over patients.
    """
    table = answers(name, root)
    facts = manifest.read().set_index("film").loc[table.index]
    y = facts["label"].eq("PNEUMONIA").to_numpy().astype(int)
    drawn = metrics.patient_weights(facts["patient"], count=500)
    weights = np.vstack([np.ones(len(y)), drawn])
    columns = [c for c, (name, _) in trust.CORRUPTED.items() if name in perturbations.CORRUPTIONS]
    auroc = {
        c: metrics.weighted_metrics(y, table[c].to_numpy(), 0.5, weights)["AUROC"]
        for c in (trust.PLAIN, *columns)
    }
    relative = np.mean([1 - auroc[c] / auroc[trust.PLAIN] for c in columns], axis=0)
    low, high = np.percentile(relative[1:], [2.5, 97.5])
    return pd.Series({"value": relative[0], "low": low, "high": high})


def ablations(root: Path = config.RESULTS) -> pd.DataFrame:
    """AUROC and share of decisions that flip, for each change of what the network may use.

    Index: the change; columns (network; AUROC, flips, called).
    """
    columns = {}
    for name, title in trust.titles().items():
        scored, cut = scores(answers(name, root)), thresholds(root)[name]
        before, rows = scored[trust.PLAIN]["probability"] >= cut, {}
        for change in (trust.PLAIN, *trust.ABLATIONS):
            after = scored[change]["probability"] >= cut
            rows[change] = {
                "AUROC": metrics.point(scored[change], cut)["AUROC"],
                "flips": float(np.mean(after != before)),
                "called sick": float(after.mean()),
            }
        columns[title] = pd.DataFrame(rows).T
    return pd.concat(columns, axis=1)


# -- whom it fails ---------------------------------------------------------------------------


def error_films(
    result: Result, shown: pd.Series, count: int = 12, root: Path = config.RESULTS
) -> pd.DataFrame:
    """The most confident errors on test films among those that may be shown, worst first.

    ``shown`` is a bool by film name. Columns of ``scores`` with certainty and remark.
    """
    scores = result.scores("test")
    wrong = (scores["probability"] >= result.threshold) != (scores["y"] == 1)
    scores = scores.assign(certainty=decisions.certainty(scores, result.threshold))
    worst = scores[wrong & scores["film"].map(shown).eq(True)].nlargest(count, "certainty")
    facts = acquisition.read(root)
    return worst.assign(remark=[_remark(facts.loc[film], facts) for film in worst["film"]])


def _remark(film: pd.Series, everything: pd.DataFrame) -> str:
    """What can be measured of one film that may explain an error."""
    trained = everything[everything["part"] == "training"]
    told = [f"group {film['group']:.0f}"]
    for column, low, high in (
        ("sharpness", "blurred", "sharp"),
        ("tone_50", "dark", "pale"),
    ):
        place = (trained[column] < film[column]).mean()
        told += [low] * bool(place < 0.1) + [high] * bool(place > 0.9)
    told += ["sick surround"] * bool(film["margin"] > 0.5)
    return ", ".join(told)


# -- when to ask -----------------------------------------------------------------------------


def calibrated(result: Result) -> dict[str, pd.DataFrame]:
    """Scores by name: validation and test as the network says, and test after Platt scaling.

    The scale is fitted on validation films; the last is told the prevalence of the test films.
    """
    before, after = result.scores("validation"), result.scores("test")
    scale = calibration.fit_platt(before)
    prior, new = float(before["y"].mean()), float(after["y"].mean())
    return {
        "validation, as it says": before,
        "validation, rescaled": scale.apply(before),
        "test, as it says": after,
        "test, rescaled": scale.apply(after),
        "test, rescaled, prevalence told": calibration.shift_prevalence(
            scale.apply(after), prior, new
        ),
    }


def at_prevalence(result: Result, prevalence: float) -> pd.DataFrame:
    """Test scores as one would use them where ``prevalence`` is known: scaled by validation."""
    before = result.scores("validation")
    scaled = calibration.fit_platt(before).apply(result.scores("test"))
    return calibration.shift_prevalence(scaled, float(before["y"].mean()), prevalence)


# What was to be reached of Grad-CAM: the share inside the lungs, and how many times CNN 5's.
INSIDE, TIMES = 0.60, 1.5


def maps(root: Path = config.RESULTS) -> pd.DataFrame:
    """Share of each map inside the drawn lungs: film, part, lung, network, method, inside."""
    path = root / trust.FOLDER / trust.MAPS
    if not path.is_file():
        raise record.RecordError(f"{path}: not recorded; run `make trust`")
    return pd.read_csv(path)


def _mean_inside(films: pd.DataFrame) -> dict[str, float]:
    """Mean share inside with limits, and what a map without aim would have."""
    patients = manifest.read().set_index("film")["patient"].loc[films["film"]]
    inside = metrics.bootstrap_mean(films["inside"], patients)
    coverage = films[["lung", "boxed", "box"]].mean()
    return {"inside": inside.pop("value"), **inside, **coverage, "films": len(films)}


def maps_in_lungs(table: pd.DataFrame) -> pd.DataFrame:
    """Share of the maps in the drawn lungs: index (method, network), columns as measured.

    inside, low, high; lung (the lungs' share of the film); boxed and box, the same for the box
    around both lungs; films.
    """
    drawn = table.query("outline == 'drawn'").dropna(subset="inside")
    rows = {key: _mean_inside(films) for key, films in drawn.groupby(["method", "network"])}
    return pd.DataFrame(rows).T.rename_axis(index=["method", "network"])


def maps_by_call(table: pd.DataFrame) -> pd.DataFrame:
    """The same by Grad-CAM on test films, with the lungs found: index (network, call)."""
    found = table.query("outline == 'found'").dropna(subset="inside")
    call = found["called"].map({True: "pneumonia", False: "normal"}).rename("call")
    rows = {key: _mean_inside(films) for key, films in found.groupby(["network", call])}
    return pd.DataFrame(rows).T.rename_axis(index=["network", "call"])


def sanity_check(root: Path = config.RESULTS) -> pd.DataFrame:
    """Mean rank correlation with the map of randomised weights: stage by network."""
    path = root / trust.FOLDER / trust.SANITY_CHECK
    if not path.is_file():
        raise record.RecordError(f"{path}: not recorded; run `make trust`")
    table = pd.read_csv(path).rename(columns={"stage": "fresh weights in"})
    wide = table.pivot_table(index="fresh weights in", columns="network", values="correlation")
    return wide.loc[list(explain.STAGES)].rename(columns=trust.titles()).rename_axis(columns=None)
