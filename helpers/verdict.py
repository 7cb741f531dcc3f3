"""Chapter 7's verdict on the final network: rule, cure, flips, what is explained, what is left.

Functions give frames, or sentences (Markdown) that stay true when the record changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import config, evaluation, robustness, stress, telling
from helpers.study import Result, Study


def rule_told(result: Result) -> str:
    """The final network's rule and what it gives on validation films."""
    even, least = stress.rule_parts(stress.weighed(result.scores("validation")))
    binding = "the second, which is lower" if least < even else "the first, which is lower"
    return (
        "**The rule:** where the surround says nothing (validation films counted against their "
        "stereotype) misses and false alarms are equally frequent, which happens at "
        f"{evaluation.short(even)}; but at least {stress.SENSITIVITY:.0%} of all validation "
        f"films with pneumonia, counted alike, are called, which needs "
        f"{evaluation.short(least)} or less. So the threshold is "
        f"{evaluation.short(result.threshold)}: {binding}."
    )


def members(result: Result, root: Path = config.RESULTS) -> pd.DataFrame:
    """AUROC of each member: seed, what it sees, on validation, against the stereotype, on test."""
    before, after = result.seeds("validation"), result.seeds("test")
    ours, theirs = result.scores("validation"), result.scores("test")
    rows = []
    for seed in result.recipe.seeds:
        scores = stress.weighed(ours.assign(probability=before[seed].to_numpy()), root)
        told = stress.figures(scores.assign(role="validation"))
        tested = theirs.assign(probability=after[seed].to_numpy())
        rows.append(
            {
                "seed": seed,
                "sees": {"box": "the lungs cut out", "film": "the whole film"}[
                    result.recipe.view_of(seed)
                ],
                "validation": told["validation AUROC"],
                "against the stereotype": told["stress AUROC"],
                "test": evaluation.point(tested, 0.5)["AUROC"],
            }
        )
    return pd.DataFrame(rows).set_index("seed")


def views_apart(result: Result) -> pd.DataFrame:
    """Members that see the lungs minus members that see the whole film, on the test films."""
    after, recipe = result.seeds("test"), result.recipe
    seeds = {view: [s for s in recipe.seeds if recipe.view_of(s) == view] for view in recipe.views}
    films = result.scores("test")
    return evaluation.compare_seeds(after[seeds["film"]], after[seeds["box"]], films)


def views_told(difference: pd.DataFrame) -> str:
    """Whether cutting out the lungs made the difference on the test films."""
    row = difference.loc["AUROC"]
    verdict = (
        "beyond chance: to cut the film to the lungs is what travels"
        if telling.clear(row) and row["value"] > 0
        else "beyond chance, and against the cure"
        if telling.clear(row)
        else "not told from zero"
    )
    return (
        "On the test films members that see the lungs cut out differ from members that see the "
        f"whole film by {telling.signed(row)} in AUROC, {verdict}."
    )


def thresholds(result: Result) -> pd.DataFrame:
    """The final network on test films at its operating point and at two others, as text.

    The rule's two parts and the customary half, with how they were come by.
    """
    even, least = stress.rule_parts(stress.weighed(result.scores("validation")))
    points = {
        "errors even against the stereotype": even,
        f"{stress.SENSITIVITY:.0%} of validation films": least,
        "customary": 0.5,
    }
    test = result.scores("test")
    table = pd.DataFrame(
        {
            name: evaluation.written(evaluation.estimate(test, cut))[
                ["accuracy", "sensitivity", "specificity"]
            ]
            for name, cut in points.items()
        }
    ).T
    return table.assign(threshold=pd.Series(points).round(3))


def rule_cost_told(result: Result) -> str:
    """What the operating point gives away on the test films against the customary half."""
    test = result.scores("test")
    ours, half = (evaluation.point(test, cut) for cut in (result.threshold, 0.5))
    change = {m: half[m] - ours[m] for m in ("sensitivity", "specificity")}
    called = (test["probability"] >= result.threshold).mean()
    low = result.threshold < 0.5 and sum(change.values()) > 0
    verdict = (
        "the rule's threshold lies too low: it was set by the validation films that are hardest to "
        "call, and the sick children of the test batch are easier to find"
        if low
        else "the rule's threshold does no worse than a half"
    )
    return (
        f"At {evaluation.short(result.threshold)} the network calls {called:.0%} of the test films "
        "sick; "
        f"{test['y'].mean():.0%} are. At a half, sensitivity would change by "
        f"{telling.plus(change['sensitivity'])} and specificity by "
        f"{telling.plus(change['specificity'])}. By the sum of both, {verdict}."
    )


def cure_told(gained: pd.DataFrame, test: pd.DataFrame) -> str:
    """Whether the cure helped on the test films, each network at its own threshold."""
    words = {}
    for metric in ("AUROC", "accuracy", "sensitivity", "specificity"):
        row = gained.loc[metric]
        words[metric] = f"{metric} changes by {telling.signed(row)}" + (
            "" if telling.clear(row) else " (not told from zero)"
        )
    return (
        f"From the residual network to the final one {'; '.join(words.values())}. "
        f"The final network stands at AUROC {telling.share(test.loc['AUROC'])}, accuracy "
        f"{telling.share(test.loc['accuracy'])}, sensitivity "
        f"{telling.share(test.loc['sensitivity'])}, specificity "
        f"{telling.share(test.loc['specificity'])}."
    )


def flips(root: Path = config.RESULTS) -> pd.DataFrame:
    """Share of test films whose decision flips, a row a network and class, a column a change."""
    table = pd.read_csv(root / stress.FOLDER / stress.FLIPS).query("part == 'test'")
    share = table.assign(share=table["flips"] / table["films"])
    wide = share.pivot_table(
        index=["network", "label"], columns="change", values="share", sort=False
    )
    films = table.groupby(["network", "label"], sort=False)["films"].first()
    return wide[list(robustness.CHANGES)].assign(films=films)


# What was to be reached on the test films: (what must be, what was hoped for). Fixed before.
TARGETS = {
    "AUROC": (0.985, 0.991),
    "accuracy": (0.930, 0.946),
    "sensitivity": (0.960, 0.970),
    "specificity": (0.870, 0.910),
}


def targets_told(test: pd.DataFrame) -> str:
    """Which of the figures fixed beforehand were reached, value by value."""
    told = []
    for metric, (must, aim) in TARGETS.items():
        value = test.loc[metric, "value"]
        verdict = (
            "reached, with the aim" if value >= aim else "reached" if value >= must else "missed"
        )
        told.append(
            f"{metric} at least {evaluation.short(must)} (hoped for {evaluation.short(aim)}): "
            f"{telling.share(test.loc[metric])}, {verdict}"
        )
    return (
        "**Against what was to be reached**, fixed before the final network was scored:\n\n"
        + "\n".join(f"* {line}" for line in told)
    )


AGAIN = "again"  # folder of the record's repetition, made to see whether it repeats


def repeated_told(result: Result, root: Path = config.RESULTS) -> str:
    """How near a second training of lungs and members, from start to end, comes to the record."""
    other = Study(results=root / AGAIN).run(result.recipe.name)
    first, second = (evaluation.written(one.estimate("test")) for one in (result, other))
    names = ("AUROC", "accuracy", "sensitivity", "specificity")
    told = ", ".join(f"{name} {second[name]} against {first[name]}" for name in names)
    apart = (result.scores("test")["probability"] - other.scores("test")["probability"]).abs()
    minutes = sum(other.record.facts["training_seconds"].values()) / 60
    return (
        f"Trained a second time from start to end ({minutes:.0f} minutes), the final network gives "
        f"on the test films: {told}. Its probability of a film differs from the recorded one by "
        f"{evaluation.short(apart.median())} in the median and by {evaluation.short(apart.max())} "
        "at most."
    )


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
    margin = stress.read(root)["margin"]
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
        drawn = evaluation.patient_weights(table["patient"]) * weight
        low, high = evaluation.interval(pd.Series(drawn @ right / drawn.sum(axis=1)))
        value = np.average(right, weights=weight)
        rows[name] = {"value": value, "low": low, "high": high}
    return pd.DataFrame(rows).T


def explained_told(tables: Mapping[str, pd.DataFrame]) -> str:
    """How much of each network's fall in specificity the margins explain, by title."""
    shares = {}
    for title, table in tables.items():
        before, expected, after = table["value"]
        shares[title] = (before - expected) / (before - after) if before > after else np.nan
    told = ", ".join(
        f"{title} {telling.minus(f'{share:.0%}')}"
        for title, share in shares.items()
        if np.isfinite(share)
    )
    last = list(shares)[-1]
    rest = (
        f"For the {last.lower()} they explain hardly any of it, since on validation it withstands "
        "contrary margins"
        if shares[last] < 0.1
        else f"For the {last.lower()} part of it stays open"
    )
    return (
        f"Of the fall in specificity the margins explain: {told}. {rest}. What they leave "
        "unexplained lies elsewhere: in other parts of the surround, in other children, or in "
        "graders who drew the line elsewhere (a third physician checked the test films only)."
    )


def margins_told(table: pd.DataFrame) -> str:
    """What the margin says of normal films in validation and test, and its AUROC in both."""
    told = {}
    for part in ("validation", "test"):
        films = table[table["part"] == part]
        scores = films.assign(
            y=(films["label"] == "PNEUMONIA").astype(int), probability=films["margin"]
        )
        median = scores.loc[scores["y"] == 0, "probability"].median()
        told[part] = (median, evaluation.estimate(scores, threshold=0.5).loc["AUROC"])
    (before, early), (after, late) = told.values()
    return (
        f"To the margin the median normal validation film has a probability of pneumonia of "
        f"{evaluation.short(before, 2)}, the median normal test film one of "
        f"{evaluation.short(after, 2)}. A reader of margins, so "
        f"good on validation films (AUROC {telling.share(early)}), is left with "
        f"{telling.share(late)} on test films."
    )


# -- where errors remain ---------------------------------------------------------------------


def errors(scores: pd.DataFrame, threshold: float, root: Path = config.RESULTS) -> pd.DataFrame:
    """Share called rightly by subtype, series and apparatus group, with 95% limits.

    Index (what, which); columns value, low, high, films.
    """
    told = scores.join(stress.read(root)[["group"]], on="film")
    told["apparatus"] = told["label"].str.lower() + ", group " + told["group"].astype(str)
    tables = {
        what: evaluation.by(told, threshold, column)
        for what, column in (
            ("subtype", "subtype"),
            ("series", "series"),
            ("apparatus", "apparatus"),
        )
    }
    return pd.concat(tables, names=["by", "films of"])


def errors_told(table: pd.DataFrame, least: int = 20) -> str:
    """Where it is worst, among kinds of at least ``least`` films."""
    enough = table[table["films"] >= least]
    worst = enough["value"].idxmin()
    row = enough.loc[worst]
    return (
        f"Of all kinds with at least {least} films it is worst on *{worst[1]}*: "
        f"{telling.percent(row)} of {row['films']:.0f} films called rightly."
    )
