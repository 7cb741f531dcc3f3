"""What the slides stand on: results and films gathered once, and the sentences for a board.

A board reads no AUROC: its *ranking* is told as how many of a hundred pairs, one sick and one
healthy child, get their scores in the right order, which is the same number.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import config
from helpers.data import dataset
from helpers.evaluation import decisions, metrics, thresholds
from helpers.experiments import shift, trials, trust, trust_tables
from helpers.report import tables
from helpers.shortcuts import acquisition
from helpers.training import recipes, record
from helpers.training.study import Result, Study

FILMS = "Films: Kermany, Zhang and Goldbaum 2018, doi 10.17632/rscbjbr9sj.2, CC BY 4.0"
RECORD = (
    "Source: the recorded study, data/results; in brackets 95% intervals (bootstrap over patients)"
)


# The metrics in a board's words.
PLAIN = {
    "AUROC": "ranking",
    "accuracy": "calls right",
    "sensitivity": "sick found",
    "specificity": "healthy spared",
}

HARSH = "harsh validation"  # films counted against their stereotype

# What each network adds to the one before it.
IDEAS = {
    "dummy": "looks at no film, says what is most frequent",
    "dense": "sees all pixels at once",
    "cnn_1": "sees neighbourhoods: edges, patches",
    "cnn_2": "switches units off at random (dropout)",
    "cnn_3": "one more layer of neighbourhoods",
    "cnn_4": "sees each film moved a little, anew each time",
    "cnn_5": "lets no unit fall silent (LeakyReLU)",
    "residual": "shortcuts, changed tones, averaged trainings",
    "final": "half of its members see a film cut to the lungs",
}


@dataclass(frozen=True)
class Story:
    """What the slides tell: results and estimates by the networks' titles, films to show.

    ``before`` (validation) and ``after`` (test) are estimated at ``thresholds``, which the rule
    chose on validation films.
    """

    results: dict[str, Result]
    thresholds: dict[str, float]
    before: dict[str, pd.DataFrame]
    after: dict[str, pd.DataFrame]
    films: dataset.Films
    pictures: np.ndarray

    @property
    def final(self) -> str:
        """Title of the final network."""
        return list(self.results)[-1]

    @property
    def last(self) -> Result:
        """The final network's result."""
        return self.results[self.final]

    @property
    def trained(self) -> list[str]:
        """Titles of all networks but the dummy."""
        return [title for title, result in self.results.items() if result.recipe.epochs]

    def part(self, name: str) -> np.ndarray:
        """Which of the films at hand belong to a part."""
        return (self.films.table["part"] == name).to_numpy()

    @property
    def sick(self) -> np.ndarray:
        """1 for each film at hand with pneumonia, else 0."""
        return (self.films.table["label"] == "PNEUMONIA").to_numpy().astype(int)

    @property
    def fallen(self) -> bool:
        """Whether the final network's specificity falls from validation to test beyond chance."""
        return fell(self.before[self.final], self.after[self.final])


def story(results: Path = config.RESULTS) -> Story:
    """Gather what the slides tell.

    Raises:
        RecordError: the study is not recorded under ``results``.
        FilmError: the packaged films are not installed.
    """
    found = {result.recipe.title: result for result in Study(results=results).run_all().values()}
    thresholds = {title: result.threshold for title, result in found.items()}
    before, after = (
        {title: result.estimate(part) for title, result in found.items()}
        for part in ("validation", "test")
    )
    return Story(
        found, thresholds, before, after, *dataset.load(dataset.packaged(), config.SOURCE_SIZE)
    )


def fell(before: pd.DataFrame, after: pd.DataFrame) -> bool:
    """Whether specificity lies lower on test films than on validation films, beyond chance."""
    return bool(after.loc["specificity", "high"] < before.loc["specificity", "low"])


def pairs(row: pd.Series) -> str:
    """An AUROC for a board: ``98.7 [97.9, 99.4] of 100 pairs``."""
    value, low, high = (f"{100 * row[key]:.1f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}] of 100 pairs"


def change(value: float) -> str:
    """A difference with its sign, ``+.012`` or ``−.012``."""
    text = metrics.short(value)
    return text if text.startswith("−") else f"+{text}"


# -- the rule and the batches ----------------------------------------------------------------


def rule_told(result: Result) -> str:
    """The final network's rule in plain words."""
    even, least = thresholds.rule_parts(acquisition.weighted(result.scores("validation")))
    return (
        "The rule for calling a child sick, fixed before the network was trained: on held-back "
        f"films at least {thresholds.SENSITIVITY:.0%} of the sick are found; and where a film's "
        "surroundings give nothing away, misses are no more frequent than false alarms. The "
        f"more cautious of the two holds, here the {'first' if least < even else 'second'}: sick "
        f"from a probability of {result.threshold:.3f} on."
    )


def gap_told(told: Story) -> str:
    """What became of the validation figures on the test films, over the trained networks."""
    spans = []
    for metric in ("AUROC", "sensitivity", "specificity"):
        moved = [
            told.after[name].loc[metric, "value"] - told.before[name].loc[metric, "value"]
            for name in told.trained
        ]
        spans.append(f"{PLAIN[metric]} {change(min(moved))} to {change(max(moved))}")
    return f"From held-back to new films, at the same thresholds: {'; '.join(spans)}."


def explained_told(told: Story) -> str:
    """How much of the fall in specificity the margins explain, over the networks that fell."""
    shares = {}
    for name in told.trained[:-1]:
        scores = (told.results[name].scores(part) for part in ("validation", "test"))
        before, expected, after = shift.explained(*scores, told.thresholds[name])["value"]
        if before > after:
            shares[name] = (before - expected) / (before - after)
    if not shares:
        return "There is no fall in specificity to be explained by it."
    least, most = min(shares, key=shares.get), max(shares, key=shares.get)
    return (
        "Of the false alarms that new films add, the films' margins explain between "
        f"{max(shares[least], 0):.0%} ({least}) and {shares[most]:.0%} ({most}): one cause, "
        "measured, and not the only one."
    )


def blind_told(table: pd.DataFrame) -> str:
    """How well a network ranks that sees no lung; ``table`` is ``shift.background_evidence``."""
    blind, whole = (
        f"{100 * table.loc[shift.EVIDENCE[name], 'value']:.1f}"
        for name in ("background", "whole_film")
    )
    return (
        f"With the lungs blacked out a network still ranks {blind} of 100 pairs of held-back films "
        f"rightly, with the whole film {whole}."
    )


# -- the final network -----------------------------------------------------------------------


def helped_told(members: pd.DataFrame) -> str:
    """Whether either validation would have preferred the members that see the lungs."""
    mean = members.groupby("sees").mean()
    box, film = mean.loc["the lungs cut out"], mean.loc["the whole film"]
    columns = {"validation": "ordinary validation", "against the stereotype": HARSH}
    told = [name for column, name in columns.items() if box[column] > film[column]]
    count = members["sees"].value_counts()
    who = " and ".join(told) if told else "neither of the two validations"
    return (
        f"{who[0].upper()}{who[1:]} would have told us. ({HARSH[0].upper()}{HARSH[1:]}: films "
        "count more, the more their surroundings speak for the wrong answer.) It was seen on the "
        f"test films only, {count.iloc[0]} members against {count.iloc[-1]}: a lead, not a proof."
    )


def verdicts(test: pd.DataFrame) -> dict[str, str]:
    """For each target fixed beforehand whether the final network reached or missed it."""
    return {
        metric: "reached" if test.loc[metric, "value"] >= must else "missed"
        for metric, (must, _) in shift.TARGETS.items()
    }


def foreknown_told(root: Path = config.RESULTS) -> str:
    """Whether an earlier network's test result was known before the cure was sought."""
    ledger, earlier = record.openings(root), recipes.get("residual")
    opened = ledger.loc[ledger["recipe_digest"] == earlier.digest(), "date"].min()
    first = min(trials.read(name, root).facts["date"] for name in trials.TRIALS)
    known = pd.Timestamp(opened) < pd.Timestamp(first)
    return (
        f"{earlier.title}'s result on these films was "
        f"{'known before' if known else 'not known when'} a cure was sought; the ledger lists "
        f"{len(ledger)} scorings of them."
    )


def errors_told(told: Story) -> str:
    """The final network's errors on test films, counted."""
    counts = metrics.confusion(told.last.scores("test"), told.last.threshold)
    well, sick = counts.sum(axis=1)
    missed, alarmed = counts.loc["PNEUMONIA", "NORMAL"], counts.loc["NORMAL", "PNEUMONIA"]
    return (
        f"{told.final} ranks {tables.share(told.after[told.final].loc['AUROC'])}, misses {missed} "
        f"of {sick} sick and alarms {alarmed} of {well} healthy."
    )


def looks_told(looks: pd.DataFrame) -> str:
    """Where the maps lie: on outlines drawn by people first, then on those found."""
    drawn = trust_tables.maps_in_lungs(looks).loc["Grad-CAM"]
    called = trust_tables.maps_by_call(looks).xs("pneumonia", level="call")
    rows = {name: table.loc["final"] for name, table in (("drawn", drawn), ("found", called))}
    inside = {name: tables.percent(row.rename({"inside": "value"})) for name, row in rows.items()}
    times = {
        name: rows[name]["inside"] / table.loc[trust.REFERENCE, "inside"]
        for name, table in (("drawn", drawn), ("found", called))
    }
    return (
        f"On {rows['drawn']['films']:.0f} healthy films with lungs outlined by people "
        f"{inside['drawn']} of the map lies inside, {times['drawn']:.2f} times CNN 5's share; the "
        f"lungs cover {rows['drawn']['lung']:.0%}. On {rows['found']['films']:.0f} new films "
        f"called sick, with lungs found by a network, {inside['found']}, {times['found']:.2f} "
        "times CNN 5's. CNN 5 is an early network; the lungs of sick children nobody outlined."
    )


def looks_met(looks: pd.DataFrame) -> bool:
    """Whether the maps lie in the drawn lungs as was to be reached."""
    drawn = trust_tables.maps_in_lungs(looks).loc["Grad-CAM", "inside"]
    return drawn["final"] >= max(trust_tables.INSIDE, trust_tables.TIMES * drawn[trust.REFERENCE])


# -- among peers -----------------------------------------------------------------------------


def standing(ours: pd.DataFrame, peers: pd.DataFrame) -> str:
    """The final network among published ones, as printed, in ranking, misses and false alarms."""
    low, high = ours.loc["AUROC", ["low", "high"]]
    best = peers["AUROC"].max()
    place = "behind" if best > high else "ahead of" if best < low else "level with"
    printed = ours["value"].round(3)
    most = peers["sensitivity"].max()
    misses = (
        "fewer misses than any"
        if printed["sensitivity"] > most
        else "as few misses as any"
        if printed["sensitivity"] == most
        else "more misses than some"
    )
    spared = peers["specificity"].dropna()
    more = int((spared > printed["specificity"]).sum())
    alarms = (
        "more false alarms than most"
        if 2 * more > len(spared)
        else "fewer false alarms than most"
        if 2 * more < len(spared)
        else "more false alarms than half"
    )
    return f"{place.capitalize()} the best published in ranking; {misses}, {alarms}"


def standing_counts(ours: pd.DataFrame, peers: pd.DataFrame) -> str:
    """How many of those who report a figure report a higher one than ours."""
    told = []
    for metric, name in PLAIN.items():
        theirs = peers[metric].dropna()
        above = int((theirs > round(ours.loc[metric, "value"], 3)).sum())
        told.append(f"{name} {above or 'none'} of {len(theirs)}")
    return f"Above our figure: {', '.join(told)}."


# -- a thousand children ---------------------------------------------------------------------


def thousand(scores: pd.DataFrame, cut: float, stakes: decisions.Stakes) -> pd.DataFrame:
    """Missed, alarmed and cost for a thousand children at a threshold: value, low, high."""
    table = metrics.estimate(scores, cut)
    told = {"cost": decisions.cost_curve(scores, stakes, [cut]).iloc[0]}
    shares = {"missed": ("sensitivity", stakes.prevalence)}
    shares["alarmed"] = ("specificity", 1 - stakes.prevalence)
    for name, (metric, share) in shares.items():
        row = 1000 * share * (1 - table.loc[metric])
        told[name] = row.rename({"low": "high", "high": "low"})
    return pd.DataFrame(told).T[["value", "low", "high"]]


def everybody(stakes: decisions.Stakes) -> pd.DataFrame:
    """The same without a network, where everybody is called: no rate is estimated."""
    told = {"missed": 0.0, "alarmed": 1000 * (1 - stakes.prevalence)}
    told["cost"] = decisions.baseline_costs(stakes)["call everybody"]
    return pd.DataFrame({"value": told, "low": told, "high": told})


def rule_stands(ours: pd.DataFrame, half: pd.DataFrame) -> str:
    """Why the rule's threshold stands although a half may cost less; both from ``thousand``."""
    if half.loc["cost", "value"] >= ours.loc["cost", "value"]:
        return "On these films our rule costs no more than the customary half."
    numbers = {
        name: [f"{table.loc[name, 'value']:.0f}" for table in (half, ours)]
        for name in ("missed", "alarmed")
    }
    return (
        f"At a half it would miss {numbers['missed'][0]} instead of {numbers['missed'][1]}, alarm "
        f"{numbers['alarmed'][0]} instead of {numbers['alarmed'][1]}, and cost less. Our rule "
        "stands all the same: only the test films tell that a half is better, and a threshold "
        "chosen on the films that judge it proves nothing."
    )
