"""Chapter 7's verdict on the final network: rule, cure, flips, what is explained, what is left.

Functions give frames, or sentences (Markdown) that stay true when the record changes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from helpers import config
from helpers.evaluation import metrics, thresholds
from helpers.shortcuts import acquisition, perturbations
from helpers.training.study import Result


def members(result: Result, root: Path = config.RESULTS) -> pd.DataFrame:
    """AUROC of each member: seed, what it sees, on validation, against the stereotype, on test."""
    before, after = result.seeds("validation"), result.seeds("test")
    ours, theirs = result.scores("validation"), result.scores("test")
    rows = []
    for seed in result.recipe.seeds:
        scores = acquisition.weighed(ours.assign(probability=before[seed].to_numpy()), root)
        told = acquisition.figures(scores.assign(role="validation"))
        tested = theirs.assign(probability=after[seed].to_numpy())
        rows.append(
            {
                "seed": seed,
                "sees": {"box": "the lungs cut out", "film": "the whole film"}[
                    result.recipe.view_of(seed)
                ],
                "validation": told["validation AUROC"],
                "against the stereotype": told["stress AUROC"],
                "test": metrics.point(tested, 0.5)["AUROC"],
            }
        )
    return pd.DataFrame(rows).set_index("seed")


def views_apart(result: Result) -> pd.DataFrame:
    """Members that see the lungs minus members that see the whole film, on the test films."""
    after, recipe = result.seeds("test"), result.recipe
    seeds = {view: [s for s in recipe.seeds if recipe.view_of(s) == view] for view in recipe.views}
    films = result.scores("test")
    return metrics.compare_seeds(after[seeds["film"]], after[seeds["box"]], films)


def operating_points(result: Result) -> pd.DataFrame:
    """The final network on test films at its operating point and at two others, as text.

    The rule's two parts and the customary half, with how they were come by.
    """
    even, least = thresholds.rule_parts(acquisition.weighed(result.scores("validation")))
    points = {
        "errors even against the stereotype": even,
        f"{thresholds.SENSITIVITY:.0%} of validation films": least,
        "customary": 0.5,
    }
    test = result.scores("test")
    table = pd.DataFrame(
        {
            name: metrics.written(metrics.estimate(test, cut))[
                ["accuracy", "sensitivity", "specificity"]
            ]
            for name, cut in points.items()
        }
    ).T
    return table.assign(threshold=pd.Series(points).round(3))


def flips(root: Path = config.RESULTS) -> pd.DataFrame:
    """Share of test films whose decision flips, a row a network and class, a column a change."""
    table = pd.read_csv(root / acquisition.FOLDER / acquisition.FLIPS).query("part == 'test'")
    share = table.assign(share=table["flips"] / table["films"])
    wide = share.pivot_table(
        index=["network", "label"], columns="change", values="share", sort=False
    )
    films = table.groupby(["network", "label"], sort=False)["films"].first()
    return wide[list(perturbations.CHANGES)].assign(films=films)


# What was to be reached on the test films: (what must be, what was hoped for). Fixed before.
TARGETS = {
    "AUROC": (0.985, 0.991),
    "accuracy": (0.930, 0.946),
    "sensitivity": (0.960, 0.970),
    "specificity": (0.870, 0.910),
}


AGAIN = "again"  # folder of the record's repetition, made to see whether it repeats


# -- what the surround explains --------------------------------------------------------------

# Of the margin's probability of pneumonia; finer ones would hold hardly a normal validation film.
BINS = (0.0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)


def explained(
    before: pd.DataFrame, after: pd.DataFrame, threshold: float, root: Path = config.RESULTS
) -> pd.DataFrame:
    """Specificity on validation, on validation with the test films' margins, and on test films.

    The middle row counts normal validation films so that their margins are distributed as those
    of the normal test films (BINS): what would be left had nothing changed but the surround.
    Columns value, low, high; intervals from a bootstrap over patients.
    """
    margin = acquisition.read(root)["margin"]
    rows, shares = {}, {}
    tables = {
        part: scores[scores["y"] == 0].join(margin, on="film")
        for part, scores in (("validation", before), ("test", after))
    }
    bins = {part: np.digitize(table["margin"], BINS[1:-1]) for part, table in tables.items()}
    for part in tables:
        shares[part] = np.bincount(bins[part], minlength=len(BINS) - 1) / len(bins[part])
    lifted = np.divide(
        shares["test"],
        shares["validation"],
        out=np.zeros(len(BINS) - 1),
        where=shares["validation"] > 0,
    )
    weights = {
        "validation films": ("validation", np.ones(len(bins["validation"]))),
        "validation films, with the test films' margins": (
            "validation",
            lifted[bins["validation"]],
        ),
        "test films": ("test", np.ones(len(bins["test"]))),
    }
    for name, (part, weight) in weights.items():
        table = tables[part]
        right = (table["probability"] < threshold).to_numpy(float)
        drawn = metrics.patient_weights(table["patient"]) * weight
        low, high = metrics.interval(pd.Series(drawn @ right / drawn.sum(axis=1)))
        value = np.average(right, weights=weight)
        rows[name] = {"value": value, "low": low, "high": high}
    return pd.DataFrame(rows).T


# -- where errors remain ---------------------------------------------------------------------


def errors(scores: pd.DataFrame, threshold: float, root: Path = config.RESULTS) -> pd.DataFrame:
    """Share called rightly by subtype, series and apparatus group, with 95% limits.

    Index (what, which); columns value, low, high, films.
    """
    told = scores.join(acquisition.read(root)[["group"]], on="film")
    told["apparatus"] = told["label"].str.lower() + ", group " + told["group"].astype(str)
    tables = {
        what: metrics.by(told, threshold, column)
        for what, column in (
            ("subtype", "subtype"),
            ("series", "series"),
            ("apparatus", "apparatus"),
        )
    }
    return pd.concat(tables, names=["by", "films of"])
