"""Chapter 7's evidence, from the record: what the surround tells, what was tried.

Functions give frames, or sentences (Markdown) that stay true when the record changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import (
    config,
    evaluation,
    manifest,
    recipes,
    record,
    robustness,
    stress,
    telling,
    trials,
)
from helpers.lungs import NAME as LUNGS
from helpers.study import Result

# What was asked of the margin and of the networks, in the order of the story.
WITNESSES = {
    "margin": "marker, margins and outermost pixels, boosted trees",
    "ring": "the border ring, network",
    "surround": "all but the lungs, network",
    "whole_film": "the whole film, network",
}


def films(root: Path = config.RESULTS) -> pd.DataFrame:
    """The manifest with what each film's surround tells (``stress.margins``), a row a film."""
    told = stress.read(root).drop(columns="part")
    return manifest.read().join(told, on="film")


def apparatus(table: pd.DataFrame) -> pd.DataFrame:
    """The groups of training films: how many, how many children, share with pneumonia, marks."""
    seen = table[table["part"] == "training"]
    sick = seen["label"].eq("PNEUMONIA")
    return pd.DataFrame(
        {
            "films": seen.groupby("group").size(),
            "children": seen.groupby("group")["patient"].nunique(),
            "pneumonia": sick.groupby(seen["group"]).mean(),
            "letter found": seen.groupby("group")["marker"].mean(),
            "its height": seen[seen["marker"] > 0].groupby("group")["marker_height"].median(),
            "black": seen.groupby("group")["black"].mean(),
            "median tone": seen.groupby("group")["tone_50"].median(),
        }
    ).rename_axis(index="group")


def apparatus_told(groups: pd.DataFrame) -> str:
    """What the groups give away, in a sentence."""
    low, high = groups["pneumonia"].idxmin(), groups["pneumonia"].idxmax()
    return (
        f"Nobody told the grouping which film is sick, and yet in group {low} "
        f"{groups.loc[low, 'pneumonia']:.0%} of the films show pneumonia and in group {high} "
        f"{groups.loc[high, 'pneumonia']:.0%}. Children do not fall ill by apparatus: the sick "
        "were more often filmed on another one."
    )


def trial(name: str, root: Path = config.RESULTS) -> record.Record:
    """One recorded trial.

    Raises:
        RecordError: not recorded, damaged, or of other settings or films.
    """
    ours = manifest.read().query("part != 'test'")
    return record.read(root / trials.FOLDER, trials.TRIALS[name], manifest.digest(ours))


def judged(name: str, root: Path = config.RESULTS) -> dict[int, pd.DataFrame]:
    """Scores of one trial by seed: film, y, probability, role, weight, as ``stress`` takes them."""
    facts = manifest.read().set_index("film")[["label", "patient"]]
    scored = {}
    for seed, rows in trial(name, root).predictions.groupby("seed"):
        table = rows.rename(columns={"split": "role"}).join(facts, on="film")
        table["y"] = (table["label"] == "PNEUMONIA").astype(int)
        scored[int(seed)] = stress.weighed(table, root)
    return scored


def witnesses(table: pd.DataFrame, root: Path = config.RESULTS) -> pd.DataFrame:
    """AUROC on validation films of what sees no lung, and of a network that sees the whole film.

    Rows WITNESSES, columns value, low, high. Trials count with their middle seed.
    """
    rows = {}
    for name, title in WITNESSES.items():
        if name in table:
            scores = table[table["part"] == "validation"].assign(probability=table[name])
            scores["y"] = (scores["label"] == "PNEUMONIA").astype(int)
        else:
            scored = judged(name, root)
            order = sorted(
                scored, key=lambda seed: stress.figures(scored[seed])["validation AUROC"]
            )
            scores = scored[order[len(order) // 2]].query("role == 'validation'")
        rows[title] = evaluation.estimate(scores, threshold=0.5).loc["AUROC"]
    return pd.DataFrame(rows).T


def witnesses_told(table: pd.DataFrame) -> str:
    """How much of the whole film's score is to be had without lungs."""
    blind, whole = table.loc[WITNESSES["surround"]], table.loc[WITNESSES["whole_film"]]
    share = (blind["value"] - 0.5) / (whole["value"] - 0.5)
    return (
        f"With the lungs blacked out a network reaches an AUROC of {telling.share(blind)}; with "
        f"the whole film {telling.share(whole)}. So {share:.0%} of what the score has above chance "
        "can be had without a look at a lung."
    )


# -- stress validation -----------------------------------------------------------------------


def ranking(results: Mapping[str, Result], root: Path = config.RESULTS) -> pd.DataFrame:
    """AUROC of each network on validation films, on them as weighed by stress, and on test films.

    ``results`` by title; each network as it answers (mean of its seeds or chosen seed).
    """
    rows = {}
    for title, result in results.items():
        before = stress.weighed(result.scores("validation"), root).assign(role="validation")
        told = stress.figures(before)
        rows[title] = {
            "validation": told["validation AUROC"],
            "stress": told["stress AUROC"],
            "test": evaluation.point(result.scores("test"), 0.5)["AUROC"],
        }
    return pd.DataFrame(rows).T


def ranking_told(table: pd.DataFrame) -> str:
    """Whether stress validation orders the networks as the test films do: rank correlations."""
    ranks = table.corr(method="spearman")["test"]
    plain, hard = ranks["validation"], ranks["stress"]
    closer = "closer to" if hard > plain else "no closer to" if hard == plain else "farther from"
    spread = {part: np.ptp(table[part]) for part in table}
    return (
        f"Stress validation spreads these {len(table)} networks over "
        f"{evaluation.short(spread['stress'])} of AUROC, ordinary validation over "
        f"{evaluation.short(spread['validation'])}, the test films over "
        f"{evaluation.short(spread['test'])}. Its order is {closer} that of the test films: the "
        f"rank correlation with the test is {evaluation.short(hard, 2)} for stress validation and "
        f"{evaluation.short(plain, 2)} for ordinary validation."
    )


# -- lungs -----------------------------------------------------------------------------------


def dice(root: Path = config.RESULTS) -> pd.DataFrame:
    """Dice of the found against the drawn lungs: part, films, mean, worst, and when opaque."""
    masks = pd.DataFrame(record.noted(root, LUNGS)["masks"])
    grouped = masks.groupby("part")
    return pd.DataFrame(
        {
            "films": grouped.size(),
            "mean Dice": grouped["dice"].mean(),
            "worst film": grouped["dice"].min(),
            "mean Dice, opacities painted in": grouped["dice_opaque"].mean(),
        }
    ).reindex(manifest.PARTS)


# -- trials ----------------------------------------------------------------------------------


def trial_seeds(root: Path = config.RESULTS) -> pd.DataFrame:
    """Every recorded trial and seed: what ``stress.figures`` says, the flips, the minutes."""
    rows = []
    for name, recipe in trials.TRIALS.items():
        facts = trial(name, root).facts
        for seed, scores in judged(name, root).items():
            rows.append(
                {
                    "trial": recipe.title,
                    "seed": seed,
                    **stress.figures(scores),
                    **facts["flips"][str(seed)],
                    "minutes": facts["training_seconds"][str(seed)] / 60,
                }
            )
    return pd.DataFrame(rows)


def deciding(root: Path = config.RESULTS) -> dict[str, bool]:
    """For each trial's title whether it was finished before the final network saw test films.

    Trials that were finished later fill the table and decided nothing.
    """
    ledger = record.openings(root)
    digest = recipes.get("final").digest()
    opened = pd.Timestamp(ledger.loc[ledger["recipe_digest"] == digest, "date"].min())
    return {
        recipe.title: bool(pd.Timestamp(trial(name, root).facts["date"]) < opened)
        for name, recipe in trials.TRIALS.items()
    }


def trial_table(seeds: pd.DataFrame, root: Path = config.RESULTS) -> pd.DataFrame:
    """A row a trial: means over its seeds, best stress AUROC first, with the seeds' spread.

    ``decided`` says whether the trial could have a say in the choice (see ``deciding``).
    """
    grouped = seeds.drop(columns="seed").groupby("trial")
    table = grouped.mean().assign(spread=grouped["stress AUROC"].std())
    table["decided"] = table.index.map(deciding(root))
    return table.sort_values("stress AUROC", ascending=False)


def base_title() -> str:
    """Title of the trial that all others change."""
    return trials.BASE.title


def trials_told(table: pd.DataFrame) -> str:
    """What the trials say: which lead and trail, and how far the seeds lie apart."""
    best, worst = table.index[0], table.index[-1]
    spread = table["spread"].median()
    close = table.index[table["stress AUROC"] > table["stress AUROC"].iloc[0] - 2 * spread]
    flips = table[list(robustness.CHANGES)].max(axis=1)
    return (
        f"Against the stereotype *{best.lower()}* leads with a mean AUROC of "
        f"{evaluation.short(table['stress AUROC'].iloc[0])} and *{worst.lower()}* trails with "
        f"{evaluation.short(table['stress AUROC'].iloc[-1])}; the seeds of a trial have a "
        f"standard deviation of about {evaluation.short(spread)}, and {len(close)} of the "
        f"{len(table)} lie within two of it of the first. Fewest decisions flip with "
        f"*{flips.idxmin().lower()}* "
        f"({flips.min():.1%} at the worst change), most with *{flips.idxmax().lower()}* "
        f"({flips.max():.1%})."
    )


def averaging(root: Path = config.RESULTS) -> pd.DataFrame:
    """What averaging a trial's seeds brings: rows trials, columns of ``stress.figures``, gains.

    A gain is the figure of the mean probability less the mean figure of the single trainings.
    """
    rows = {}
    for name, recipe in trials.TRIALS.items():
        scored = judged(name, root)
        single = pd.DataFrame([stress.figures(scores) for scores in scored.values()]).mean()
        mean = np.mean([scores["probability"].to_numpy() for scores in scored.values()], axis=0)
        together = next(iter(scored.values())).assign(probability=mean)
        rows[recipe.title] = pd.Series(stress.figures(together)) - single
    return pd.DataFrame(rows).T


def averaging_told(gains: pd.DataFrame) -> str:
    """On how many trials averaging over seeds helped, and by how much."""
    told = []
    for name, what in (("validation AUROC", "ordinary"), ("stress AUROC", "stress")):
        better = int((gains[name] > 0).sum())
        told.append(
            f"on {what} validation for {better} of {len(gains)} trials, by "
            f"{evaluation.short(gains[name].mean())} of AUROC on average"
        )
    return f"Averaging three trainings instead of taking one helps {told[0]}, and {told[1]}."
