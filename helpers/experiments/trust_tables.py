"""What ``trust`` recorded, read back: what breaks a network, where it looks, its errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from helpers import config, explain
from helpers.data import manifest
from helpers.evaluation import calibration, decisions, metrics
from helpers.experiments import bench, trust
from helpers.shortcuts import acquisition, perturbations
from helpers.training import record
from helpers.training.study import Result, Study

# What was to be reached, fixed before it was measured: relative loss of AUROC on corrupted films,
# accuracy with a share referred; Grad-CAM's share inside the lungs, and how many times CNN 5's.
LOSS, DECIDED, REFERRED = 0.03, 0.97, 0.20
INSIDE, TIMES = 0.60, 1.5


def _recorded(file: str, root: Path) -> pd.DataFrame:
    path = root / trust.FOLDER / file
    if not path.is_file():
        raise record.RecordError(f"{path}: not recorded; run `make trust`")
    return pd.read_csv(path)


def answers(name: str, root: Path = config.RESULTS) -> pd.DataFrame:
    """Recorded probabilities of one network: test films (rows) by change (columns).

    Raises:
        RecordError: not recorded.
    """
    return _recorded(f"{name}.csv", root).set_index("film")


def thresholds() -> dict[str, float]:
    """The operating points of the two networks, by name."""
    early = record.read_facts(config.RESULTS / trust.FOLDER, trust.REFERENCE)["threshold"]
    return {trust.REFERENCE: early, "final": Study().run("final").threshold}


def scores(name: str, root: Path = config.RESULTS) -> dict[str, pd.DataFrame]:
    """One network's scores, as ``evaluation`` takes them, for each change."""
    table = answers(name, root)
    facts = manifest.read().set_index("film").loc[table.index, ["label", "patient"]].reset_index()
    facts["y"] = facts["label"].eq("PNEUMONIA").astype(int)
    return {change: facts.assign(probability=table[change].to_numpy()) for change in table}


def robustness(name: str, threshold: float, root: Path = config.RESULTS) -> pd.DataFrame:
    """AUROC, sensitivity, specificity under each (corruption, strength); 0 is the film as it is."""
    points = {change: metrics.point(of, threshold) for change, of in scores(name, root).items()}
    rows = {(corruption, 0): points[bench.PLAIN] for corruption, _ in bench.CORRUPTED.values()}
    rows |= {key: points[change] for change, key in bench.CORRUPTED.items()}
    table = pd.DataFrame(rows).T[["AUROC", "sensitivity", "specificity"]].sort_index()
    return table.rename_axis(index=["corruption", "strength"])


def loss(name: str, root: Path = config.RESULTS) -> pd.Series:
    """Mean relative loss of AUROC over the eight corruptions at five strengths: value, low, high.

    (AUROC as it is - AUROC corrupted) / AUROC as it is; paired bootstrap over patients.
    """
    scored = scores(name, root)
    drawn = metrics.patient_weights(scored[bench.PLAIN]["patient"], count=500)
    weights = np.vstack([np.ones(drawn.shape[1]), drawn])

    def auroc(change: str) -> np.ndarray:
        return metrics.weighted_metrics(scored[change], 0.5, weights)["AUROC"].to_numpy()

    columns = [c for c, (name, _) in bench.CORRUPTED.items() if name in perturbations.CORRUPTIONS]
    relative = 1 - np.mean([auroc(change) for change in columns], axis=0) / auroc(bench.PLAIN)
    low, high = metrics.interval(relative[1:])
    return pd.Series({"value": relative[0], "low": low, "high": high})


def ablations() -> pd.DataFrame:
    """AUROC, decisions that flip, films called sick (network, figure) after each ablation."""
    columns = {}
    for name, title in trust.titles().items():
        scored, cut = scores(name), thresholds()[name]
        called = {change: of["probability"] >= cut for change, of in scored.items()}
        rows = {
            change: {
                "AUROC": metrics.point(scored[change], cut)["AUROC"],
                "flips": np.mean(called[change] != called[bench.PLAIN]),
                "called sick": called[change].mean(),
            }
            for change in (bench.PLAIN, *bench.ABLATIONS)
        }
        columns[title] = pd.DataFrame(rows).T
    return pd.concat(columns, axis=1)


# -- whom it fails, when to ask --------------------------------------------------------------


def error_films(result: Result, shown: pd.Series, count: int = 12) -> pd.DataFrame:
    """The most confident errors on test films among those that may be shown, worst first.

    ``shown`` is a bool by film name. Columns of ``scores`` with certainty and remark.
    """
    scored = result.scores("test")
    scored["certainty"] = decisions.certainty(scored, result.threshold)
    wrong = (scored["probability"] >= result.threshold) != (scored["y"] == 1)
    worst = scored[wrong & scored["film"].map(shown).eq(True)].nlargest(count, "certainty")
    facts = acquisition.read()
    trained = facts[facts["part"] == "training"]
    return worst.assign(remark=[_remark(facts.loc[film], trained) for film in worst["film"]])


def _remark(film: pd.Series, trained: pd.DataFrame) -> str:
    """What can be measured of one film that may explain an error."""
    place = (trained[["sharpness", "tone_50"]] < film[["sharpness", "tone_50"]]).mean()
    holds = {
        f"group {film['group']:.0f}": True,
        "blurred": place["sharpness"] < 0.1,
        "sharp": place["sharpness"] > 0.9,
        "dark": place["tone_50"] < 0.1,
        "pale": place["tone_50"] > 0.9,
        "sick surround": film["margin"] > 0.5,
    }
    return ", ".join(remark for remark, true in holds.items() if true)


def calibrated(result: Result) -> dict[str, pd.DataFrame]:
    """Scores by name: as the network says, after Platt scaling, and at the test films' prevalence.

    The scale is fitted on validation films.
    """
    before, after = result.scores("validation"), result.scores("test")
    scale = calibration.fit_platt(before)
    return {
        "validation, as it says": before,
        "validation, rescaled": scale.apply(before),
        "test, as it says": after,
        "test, rescaled": scale.apply(after),
        "test, rescaled, prevalence told": at_prevalence(result, after["y"].mean()),
    }


def at_prevalence(result: Result, prevalence: float) -> pd.DataFrame:
    """Test scores as one would use them where ``prevalence`` is known: scaled by validation."""
    before = result.scores("validation")
    scaled = calibration.fit_platt(before).apply(result.scores("test"))
    return calibration.shift_prevalence(scaled, before["y"].mean(), prevalence)


# -- where it looks --------------------------------------------------------------------------


def maps(root: Path = config.RESULTS) -> pd.DataFrame:
    """Share of each map inside the lungs, as ``trust.measure_maps`` gives it."""
    return _recorded(trust.MAPS, root)


def _inside(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Means by ``keys``: share of the map inside, low, high; lung, the lungs' share of the film.

    boxed and box say the same of the box around both lungs; films counts.
    """
    rows, patients = {}, manifest.read().set_index("film")["patient"]
    for key, of in table.dropna(subset="inside").groupby(keys):
        mean = metrics.bootstrap_mean(of["inside"], of["film"].map(patients))
        shares = of[["lung", "boxed", "box"]].mean()
        rows[key] = {"inside": mean.pop("value"), **mean, **shares, "films": len(of)}
    return pd.DataFrame(rows).T.rename_axis(index=keys)


def maps_in_lungs(table: pd.DataFrame) -> pd.DataFrame:
    """Share of ``maps`` in the drawn lungs, a row a (method, network)."""
    return _inside(table.query("outline == 'drawn'"), ["method", "network"])


def maps_by_call(table: pd.DataFrame) -> pd.DataFrame:
    """The same by Grad-CAM on test films, with the lungs found, a row a (network, call)."""
    call = table["called"].map({True: "pneumonia", False: "normal"})
    return _inside(table.assign(call=call).query("outline == 'found'"), ["network", "call"])


def sanity_check() -> pd.DataFrame:
    """Mean rank correlation with the map of randomised weights: stage by network."""
    table = _recorded(trust.SANITY_CHECK, config.RESULTS).rename(
        columns={"stage": "fresh weights in"}
    )
    wide = table.pivot_table(index="fresh weights in", columns="network", values="correlation")
    return wide.loc[list(explain.STAGES)].rename(columns=trust.titles()).rename_axis(columns=None)
