"""Why validation and test differ: acquisition groups, background evidence, what is left."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.data import dataset, manifest
from helpers.evaluation import metrics, thresholds
from helpers.experiments import bench, trials
from helpers.shortcuts import acquisition, perturbations
from helpers.training.study import Result, Study

# What was asked of the background and of networks: column of ``films``, or trial.
EVIDENCE = {
    "margin": "marker, margins and outermost pixels, boosted trees",
    "ring": "the border ring, network",
    "background": "all but the lungs, network",
    "whole_film": "the whole film, network",
}
# What was to be reached on the test films: (what must be, what was hoped for). Fixed before.
TARGETS = {
    "AUROC": (0.985, 0.991),
    "accuracy": (0.930, 0.946),
    "sensitivity": (0.960, 0.970),
    "specificity": (0.870, 0.910),
}
# Of the margin's propensity; finer ones would hold hardly a normal validation film.
BINS = (0.0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)


def films() -> pd.DataFrame:
    """The manifest and what a film's background tells (``acquisition.measure``)."""
    return manifest.read().join(acquisition.read().drop(columns="part"), on="film")


def groups(table: pd.DataFrame) -> pd.DataFrame:
    """Acquisition groups of the training films: films, children, pneumonia, marks and tones."""
    table = table[table["part"] == "training"]
    table = table.assign(height=table["marker_height"].where(table["marker"] > 0))
    columns = {
        "films": ("film", "size"),
        "children": ("patient", "nunique"),
        "pneumonia": ("y", "mean"),
        "letter found": ("marker", "mean"),
        "its height": ("height", "median"),
        "black": ("black", "mean"),
        "median tone": ("tone_50", "median"),
    }
    return table.groupby("group").agg(**columns)


def background_evidence(table: pd.DataFrame) -> pd.DataFrame:
    """AUROC on validation films of EVIDENCE (rows; of trials the middle seed): value, low, high."""
    rows = {}
    for name, title in EVIDENCE.items():
        if name in table:
            scores = table.assign(probability=table[name], role=table["part"], seed=0)
        else:
            scores = trials.scores(name)
        by_seed = scores[scores["role"] == "validation"].groupby("seed")
        seeds = pd.DataFrame([metrics.estimate(of, 0.5).loc["AUROC"] for _, of in by_seed])
        rows[title] = seeds.sort_values("value").iloc[len(seeds) // 2]
    return pd.DataFrame(rows).T


def ranking(scores: Mapping[object, Sequence[pd.DataFrame]]) -> pd.DataFrame:
    """AUROC on validation films, on them by overlap weight (stress), and on test films.

    A row for each of ``scores``, which are pairs: of validation and of test films.
    """
    rows = {}
    for name, (before, after) in scores.items():
        found = acquisition.stress_figures(acquisition.weighted(before.assign(role="validation")))
        aurocs = {part: found[f"{part} AUROC"] for part in ("validation", "stress")}
        rows[name] = aurocs | {"test": metrics.point(after, 0.5)["AUROC"]}
    return pd.DataFrame(rows).T


def members(result: Result) -> pd.DataFrame:
    """What each member of the final network sees, and its ``ranking``, a row a seed."""

    def scores(part: str, seed: int) -> pd.DataFrame:
        return result.scores(part).assign(probability=result.seeds(part)[seed].to_numpy())

    pairs = {s: (scores("validation", s), scores("test", s)) for s in result.recipe.seeds}
    table = ranking(pairs).rename(columns={"stress": "against the stereotype"})
    views = {"box": "the lungs cut out", "film": "the whole film"}
    table.insert(0, "sees", table.index.map(result.recipe.view_of).map(views))
    return table.rename_axis("seed")


def compare_views(result: Result) -> pd.DataFrame:
    """Members that see the lungs minus members that see the whole film, on the test films."""
    after, recipe = result.seeds("test"), result.recipe
    seen = {view: [s for s in recipe.seeds if recipe.view_of(s) == view] for view in recipe.views}
    return metrics.compare_seeds(after[seen["film"]], after[seen["box"]], result.scores("test"))


def operating_points(result: Result) -> pd.DataFrame:
    """The final network on test films by the two parts of its rule and at a half, as text."""
    even, least = thresholds.rule_parts(acquisition.weighted(result.scores("validation")))
    points = {
        "errors even against the stereotype": even,
        f"{thresholds.SENSITIVITY:.0%} of validation films": least,
        "customary": 0.5,
    }
    test = result.scores("test")
    rows = {name: metrics.written(metrics.estimate(test, cut)) for name, cut in points.items()}
    table = pd.DataFrame(rows).T[["accuracy", "sensitivity", "specificity"]]
    return table.assign(threshold=pd.Series(points).round(3))


def measure_flips(films: dataset.Films) -> pd.DataFrame:
    """Decisions on test films that flip: network, part, label, change, films, flips.

    Changes are ``perturbations.COUNTERFACTUALS``; ``films`` must hold the full set.
    """
    networks = [Study().run(name).ensemble() for name in ("residual", "final")]
    ready = bench.prepare(films)
    rows, before, tables = ready.rows("test"), {}, []
    facts = ready.table.iloc[rows][["part", "label"]]
    for change in (bench.PLAIN, *perturbations.COUNTERFACTUALS):
        changed = ready.changed(change, rows)
        for network in networks:
            called = network.answers(*changed) >= network.threshold
            flips = called != before.setdefault(network.title, called)
            tables.append(facts.assign(network=network.title, change=change, flips=flips))
    keys = ["network", "part", "label", "change"]
    flips = pd.concat(tables[len(networks) :]).groupby(keys, sort=False)["flips"]
    return flips.agg(films="size", flips="sum").reset_index()


def explained(before: pd.DataFrame, after: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Specificity on validation, on validation with the test films' margins, and on test films.

    The middle row counts normal validation films so that their margins are distributed (BINS) as
    on normal test films: what is left where only the background changed. Columns value, low, high.
    """
    margin = acquisition.read()["margin"]
    old, new = (scores[scores["y"] == 0].join(margin, on="film") for scores in (before, after))
    ours, theirs = (np.histogram(of["margin"], BINS)[0] / len(of) for of in (old, new))
    lift = np.divide(theirs, ours, out=np.zeros(len(ours)), where=ours > 0)
    weight = lift[np.digitize(old["margin"], BINS[1:-1])]

    def specificity(normal: pd.DataFrame, weight: np.ndarray | None = None) -> dict[str, float]:
        spared = normal["probability"] < threshold
        return metrics.bootstrap_mean(spared, normal["patient"], weight)

    rows = {
        "validation films": specificity(old),
        "validation films, with the test films' margins": specificity(old, weight),
        "test films": specificity(new),
    }
    return pd.DataFrame(rows).T


def errors(scores: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Share called correctly by subtype, series and acquisition group: value, low, high, films."""
    known = scores.join(acquisition.read()["group"], on="film")
    known["apparatus"] = known["label"].str.lower() + ", group " + known["group"].astype(str)
    kinds = ("subtype", "series", "apparatus")
    tables = {kind: metrics.accuracy_by(known, threshold, kind) for kind in kinds}
    return pd.concat(tables, names=["by", "films of"])
