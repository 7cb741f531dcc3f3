"""Chapter 7's evidence, from the record: what the surround tells, what was tried.

Functions give frames, or sentences (Markdown) that stay true when the record changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import config
from helpers.data import manifest
from helpers.evaluation import metrics
from helpers.experiments import trials
from helpers.models.lungs import NAME as LUNGS
from helpers.shortcuts import acquisition
from helpers.training import recipes, record
from helpers.training.study import Result

# What was asked of the margin and of the networks, in the order of the story.
WITNESSES = {
    "margin": "marker, margins and outermost pixels, boosted trees",
    "ring": "the border ring, network",
    "surround": "all but the lungs, network",
    "whole_film": "the whole film, network",
}


def films(root: Path = config.RESULTS) -> pd.DataFrame:
    """The manifest with what each film's surround tells (``stress.margins``), a row a film."""
    told = acquisition.read(root).drop(columns="part")
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
        scored[int(seed)] = acquisition.weighed(table, root)
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
                scored, key=lambda seed: acquisition.figures(scored[seed])["validation AUROC"]
            )
            scores = scored[order[len(order) // 2]].query("role == 'validation'")
        rows[title] = metrics.estimate(scores, threshold=0.5).loc["AUROC"]
    return pd.DataFrame(rows).T


# -- stress validation -----------------------------------------------------------------------


def ranking(results: Mapping[str, Result], root: Path = config.RESULTS) -> pd.DataFrame:
    """AUROC of each network on validation films, on them as weighed by stress, and on test films.

    ``results`` by title; each network as it answers (mean of its seeds or chosen seed).
    """
    rows = {}
    for title, result in results.items():
        before = acquisition.weighed(result.scores("validation"), root).assign(role="validation")
        told = acquisition.figures(before)
        rows[title] = {
            "validation": told["validation AUROC"],
            "stress": told["stress AUROC"],
            "test": metrics.point(result.scores("test"), 0.5)["AUROC"],
        }
    return pd.DataFrame(rows).T


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
                    **acquisition.figures(scores),
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


def averaging(root: Path = config.RESULTS) -> pd.DataFrame:
    """What averaging a trial's seeds brings: rows trials, columns of ``stress.figures``, gains.

    A gain is the figure of the mean probability less the mean figure of the single trainings.
    """
    rows = {}
    for name, recipe in trials.TRIALS.items():
        scored = judged(name, root)
        single = pd.DataFrame([acquisition.figures(scores) for scores in scored.values()]).mean()
        mean = np.mean([scores["probability"].to_numpy() for scores in scored.values()], axis=0)
        together = next(iter(scored.values())).assign(probability=mean)
        rows[recipe.title] = pd.Series(acquisition.figures(together)) - single
    return pd.DataFrame(rows).T
