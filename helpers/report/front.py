"""README.md's first screen: the study beside its peers and its targets, and what is printed.

Functions give tables and sentences (Markdown) that stay true when the record or the peers change.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from helpers import config, predict
from helpers.data import dataset
from helpers.evaluation import decisions
from helpers.evaluation import metrics as evaluation
from helpers.experiments import shift, trust, trust_tables
from helpers.plotting import results as figures
from helpers.report import console, tables
from helpers.training import record
from helpers.training.study import Result

# What peers and this study do, where it is known: property, study, answer, because.
PRACTICE = config.PEERS.with_name("practice.csv")
OURS, UNKNOWN = "this study", "?"
CURE = "final_notebook.ipynb#7-why-validation-misled-us"
METRICS = ("AUROC", "sensitivity", "accuracy", "specificity")


def markdown(table: pd.DataFrame, first: str) -> str:
    """A frame of text as a Markdown table; ``first`` heads its index."""
    rows = [f"| {' | '.join([first, *map(str, table.columns)])} |"]
    rows.append("|---" * (len(table.columns) + 1) + "|")
    for name, values in table.iterrows():
        label = ": ".join(map(str, name)) if isinstance(name, tuple) else str(name)
        rows.append(f"| {' | '.join([label, *map(str, values)])} |")
    return "\n".join(rows)


def listed(words: list[str]) -> str:
    """``a, b and c``"""
    return " and ".join([", ".join(words[:-1])] * (len(words) > 1) + words[-1:])


# -- the headline's companions ----------------------------------------------------------------


def picture(results: Mapping[str, Result]) -> str:
    """The key figure, with a text for those who cannot see it."""
    trained = [result for result in results.values() if result.recipe.epochs]
    before, after = (
        {result.recipe.title: result.estimate(part) for result in trained}
        for part in ("validation", "test")
    )
    names = list(after)
    text = (
        f"AUROC, and specificity at the threshold, of each network from {names[0]} to {names[-1]} "
        f"on validation and on test films. {figures.story_finding(before, after)}."
    )
    return f"![{text}](images/Story.png)"


def _opened(result: Result, root: Path) -> pd.Timestamp:
    """When the test films were first scored with a recipe."""
    ledger = record.openings(root)
    return pd.Timestamp(ledger.loc[ledger["recipe_digest"] == result.recipe.digest(), "date"].min())


def known_told(results: Mapping[str, Result], root: Path = config.RESULTS) -> str:
    """What was known of the test films when the final network was made."""
    early, late = (_opened(results[name], root) for name in ("residual", "final"))
    test = results["residual"].estimate("test")["value"].map(evaluation.short)
    return (
        "**Not blind:** its forerunner, the residual net, was scored on these films "
        f"{'before' if early < late else 'after'} it ({early:%Y-%m-%d %H:%M} UTC, AUROC "
        f"{test['AUROC']}, specificity {test['specificity']}; the final network "
        f"{late:%Y-%m-%d %H:%M}), and that result was known when the [cure]({CURE}) was sought. "
        "Each choice was made on training and validation films; the "
        "[ledger](data/results/test_openings.csv) lists every scoring, [its "
        "notes](data/results/README.md) say why."
    )


# -- beside the peers --------------------------------------------------------------------------


def _cited(study: str, detail: str, source: str) -> str:
    """A peer with a link to its source; where there is none, that is said."""
    linked = "://" in source or source.endswith(".md")
    return f"[{study}]({source}), {detail}" if linked else f"{study}, {detail} ({source})"


def peers_table(ours: pd.DataFrame, path: Path = config.PEERS) -> str:
    """What the peers report on the test films, and ours with its intervals."""
    table = tables.peers(ours, path)
    peers = pd.read_csv(path)
    names = map(_cited, peers["study"], peers["detail"], peers["source"])
    bold = f"**{table.index[-1]}**"
    return markdown(table.set_axis([*names, bold]), "on the official test films")


def places(ours: pd.DataFrame, path: Path = config.PEERS) -> pd.DataFrame:
    """How many published figures ours is better than, level with, worse than: a row a metric.

    Level is what lies inside our interval.
    """
    rows = {}
    for metric in METRICS:
        theirs, (low, high) = pd.read_csv(path)[metric].dropna(), ours.loc[metric, ["low", "high"]]
        better, worse = int((theirs < low).sum()), int((theirs > high).sum())
        level = len(theirs) - better - worse
        rows[metric] = {"better": better, "level": level, "worse": worse, "of": len(theirs)}
    return pd.DataFrame(rows).T


def places_told(table: pd.DataFrame) -> str:
    """Where ours is better than most published figures, and where it is worse."""
    better, worse = (table[side] > table["of"] / 2 for side in ("better", "worse"))
    sides = {"better than most": better, "worse than most": worse, "among them": ~better & ~worse}
    told = [
        f"{side} in {listed(list(table.index[held]))}" for side, held in sides.items() if any(held)
    ]
    counts = "; ".join(
        f"{metric}: above {row['better'] or 'none'}, below {row['worse'] or 'none'} of {row['of']}"
        for metric, row in table.iterrows()
    )
    return (
        f"**At its operating point ours is {listed(told)}** of the published figures ({counts}; "
        "what lies inside our interval counts as neither)."
    )


def practices(path: Path = PRACTICE) -> pd.DataFrame:
    """What each study is known to do: a row a property, a column a study, ours first."""
    told = pd.read_csv(path)
    studies = [OURS, *pd.read_csv(config.PEERS)["study"].unique()]
    linked = told["study"] == OURS
    links = "[" + told["answer"] + "](" + told["because"] + ")"
    told["answer"] = told["answer"].mask(linked, links)
    wide = told.pivot(index="property", columns="study", values="answer")
    return wide.reindex(index=told["property"].unique(), columns=studies).fillna(UNKNOWN)


def alike(table: pd.DataFrame) -> list[str]:
    """Peers known to have kept the test films out of every choice, the threshold among them."""
    kept = table.loc[["test films in no choice", "threshold from validation"]].eq("yes").all()
    return list(kept.index[kept])


def _beside(theirs: pd.Series, ours: pd.DataFrame) -> dict[str, list[str]]:
    """A peer's figures sorted into better than ours, level and worse."""
    sides = {"better": [], "level": [], "worse": []}
    for metric in METRICS:
        value, low, high = ours.loc[metric, ["value", "low", "high"]]
        apart = round(theirs[metric], 3) - round(value, 3)
        side = "level" if apart == 0 else "better" if apart > 0 else "worse"
        inside = ", inside our interval" * bool(apart and low <= theirs[metric] <= high)
        figures = f"{evaluation.short(theirs[metric])} against {evaluation.short(value)}"
        sides[side].append(f"{metric} ({figures}{inside})")
    return {side: metrics for side, metrics in sides.items() if metrics}


def alike_told(ours: pd.DataFrame, names: list[str], path: Path = config.PEERS) -> str:
    """The figures of the peers that did as we did beside ours."""
    peers, told = pd.read_csv(path).set_index("study"), []
    for name in names:
        sides = _beside(peers.loc[name, list(METRICS)], ours)
        parts = [f"{side} in {listed(metrics)}" for side, metrics in sides.items()]
        told.append(f"{name} is {', '.join(parts)}")
    head = "The one peer" if len(told) == 1 else f"{len(told)} peers"
    return (
        f"{head} known to have chosen, as we did, network and threshold without the test films: "
        f"{'; '.join(told)}."
    )


# -- beside the targets ------------------------------------------------------------------------


def targets(final: Result) -> pd.DataFrame:
    """What was to be reached, fixed beforehand: columns what (with its figures) and reached."""
    test, rows = final.estimate("test"), []
    for metric, (least, _) in shift.TARGETS.items():
        value = test.loc[metric, "value"]
        figures = f"{evaluation.short(value)}, at least {evaluation.short(least)}"
        rows.append((f"{metric} ({figures})", value >= least))
    rows += [_referral(final), _corruption(), _attention()]
    return pd.DataFrame(rows, columns=["what", "reached"])


def _referral(final: Result) -> tuple[str, bool]:
    """Accuracy with the least certain films referred, by the better of the two orders."""
    scores = final.scores("test")
    members = final.seeds("test").loc[scores["film"]]
    orders = (decisions.certainty(scores, final.threshold), decisions.agreement(members))
    curves = [decisions.referral_curve(scores, final.threshold, order) for order in orders]
    best = max(curve.loc[trust_tables.REFERRED, "value"] for curve in curves)
    figures = f"{best:.1%}, at least {trust_tables.DECIDED:.0%}"
    return (
        f"accuracy with {trust_tables.REFERRED:.0%} referred ({figures})",
        best >= trust_tables.DECIDED,
    )


def _corruption() -> tuple[str, bool]:
    """What corrupted films cost the final network in AUROC."""
    early, last = (trust_tables.loss(name)["value"] for name in (trust.REFERENCE, "final"))
    figures = f"{last:.1%}, at most {trust_tables.LOSS:.0%} and less than CNN 5's {early:.1%}"
    reached = last <= trust_tables.LOSS and last < early
    return f"AUROC lost on corrupted films ({figures})", reached


def _attention() -> tuple[str, bool]:
    """How much of Grad-CAM lies inside the drawn lungs."""
    inside = trust_tables.maps_in_lungs(trust_tables.maps())["inside"]
    final, early = (inside["Grad-CAM", name] for name in ("final", trust.REFERENCE))
    figures = (
        f"{final:.1%} and {final / early:.2f} times CNN 5's, at least "
        f"{trust_tables.INSIDE:.0%} and {trust_tables.TIMES} times"
    )
    reached = final >= trust_tables.INSIDE and final / early >= trust_tables.TIMES
    return f"attention inside the drawn lungs ({figures})", reached


def targets_told(table: pd.DataFrame) -> str:
    """Which targets were reached and which were missed, in one line."""
    sides = {"Reached": table[table["reached"]], "Missed": table[~table["reached"]]}
    told = [f"{side}: {'; '.join(rows['what'])}." for side, rows in sides.items() if len(rows)]
    return (
        f"**{table['reached'].sum()} of {len(table)} targets fixed beforehand were reached.** "
        f"{' '.join(told)}"
    )


# -- what one sees -----------------------------------------------------------------------------


# What the two commands print; "…" stands for what the machine and the day decide.
COMMANDS = """```console
$ make run
.venv/bin/python -m helpers run
{films}; {networks} networks on a shortened schedule
…
…/build/final_notebook.html: Final on {test} test films: AUROC …, sensitivity …, specificity …

$ make test
.venv/bin/ruff check .
All checks passed!
.venv/bin/ruff format --check .
… files already formatted
.venv/bin/python -m pytest -q tests
… passed in …
STUDY_MODE=replay STUDY_SCHEDULE=full .venv/bin/python -m pytest -q --nbval final_notebook.ipynb
… passed in …
```"""


def commands(networks: int) -> str:
    """What ``make run`` and ``make test`` print on a machine without the full set."""
    films = dataset.packaged()
    test = int((films.table["part"] == "test").sum())
    return COMMANDS.format(films=films.describe(), networks=networks, test=test)


def printed() -> str:
    """What ``predict`` prints of a film that everybody has, and of a picture that is no film."""
    film, other = predict.example(), config.IMAGES / "Story.png"
    shown = (f"…/{film.name}", f"images/{other.name}")
    answers = predict.predictor().answers([film, other])
    lines = [
        console.line(dataclasses.replace(answer, path=path))
        for answer, path in zip(answers, shown, strict=True)
    ]
    found = f'"$(find .venv -name {film.name})"'
    command = f"$ .venv/bin/python -m helpers predict {found} {shown[1]}"
    return "\n".join(["```console", command, console.HEAD, *lines, "```"])
