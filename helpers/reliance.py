"""Chapter 9's tables and sentences, from the record: what breaks it, whom it fails, when to ask.

Functions give frames, or sentences (Markdown) that stay true when the record changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import (
    attention,
    calibration,
    config,
    corruptions,
    evaluation,
    manifest,
    record,
    referral,
    stress,
    telling,
    trust,
)
from helpers.study import Result, Study

METRICS = ("AUROC", "sensitivity", "specificity")
# What was to be reached; fixed before it was measured.
LOSS, DECIDED, REFERRED = 0.03, 0.97, 0.20


# -- films changed ---------------------------------------------------------------------------


def changed(name: str, root: Path = config.RESULTS) -> pd.DataFrame:
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
    witness = record.noted(root / trust.FOLDER, trust.WITNESS)
    return {
        trust.WITNESS: witness["threshold"],
        "final": Study(results=root).run("final").threshold,
    }


def scored(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Scores as ``evaluation`` takes them for each change of ``changed``."""
    facts = manifest.read().set_index("film").loc[table.index, ["label", "patient"]]
    facts = facts.assign(y=facts["label"].eq("PNEUMONIA").astype(int)).reset_index()
    return {change: facts.assign(probability=table[change].to_numpy()) for change in table}


def robustness(name: str, threshold: float, root: Path = config.RESULTS) -> pd.DataFrame:
    """METRICS of one network under each corruption and strength: index (corruption, strength).

    Strength 0 is the film as it is; one row of it for each corruption.
    """
    scores, rows = scored(changed(name, root)), {}
    for corruption in (*corruptions.CORRUPTIONS, *corruptions.ASIDE):
        rows[corruption, 0] = evaluation.point(scores[trust.PLAIN], threshold)
    for column, corruption, strength in trust.corrupted():
        rows[corruption, strength] = evaluation.point(scores[column], threshold)
    table = pd.DataFrame(rows).T[list(METRICS)].sort_index()
    return table.rename_axis(index=["corruption", "strength"])


def loss(name: str, root: Path = config.RESULTS) -> pd.Series:
    """Mean relative loss of AUROC over the eight corruptions at five strengths: value, low, high.

    (AUROC as it is - AUROC corrupted) / AUROC as it is; paired bootstrap over patients.
    """
    table = changed(name, root)
    facts = manifest.read().set_index("film").loc[table.index]
    y = facts["label"].eq("PNEUMONIA").to_numpy().astype(int)
    drawn = evaluation.patient_weights(facts["patient"], count=500)
    weights = np.vstack([np.ones(len(y)), drawn])
    columns = [c for c, corruption, _ in trust.corrupted() if corruption in corruptions.CORRUPTIONS]
    auroc = {c: evaluation.aurocs(y, table[c].to_numpy(), weights) for c in (trust.PLAIN, *columns)}
    relative = np.mean([1 - auroc[c] / auroc[trust.PLAIN] for c in columns], axis=0)
    low, high = np.percentile(relative[1:], [2.5, 97.5])
    return pd.Series({"value": relative[0], "low": low, "high": high})


def robustness_told(losses: Mapping[str, pd.Series], tables: Mapping[str, pd.DataFrame]) -> str:
    """How much the corruptions cost each network, and which one costs the final one most.

    Both by title, the final network last.
    """
    told = " and ".join(f"{title} {telling.percent(row)}" for title, row in losses.items())
    (early, first), (title, last) = list(losses.items())
    worst = tables[title].drop(list(corruptions.ASIDE)).xs(5, level="strength")["AUROC"]
    sides = tables[title].loc[list(corruptions.ASIDE)].xs(1, level="strength")["AUROC"]
    verdict = "reached" if last["value"] <= LOSS and last["value"] < first["value"] else "missed"
    aside = ", ".join(f"{name} {evaluation.short(value)}" for name, value in sides.items())
    return (
        "Averaged over eight corruptions at five strengths the AUROC falls, relative to the films "
        f"as they are, by: {told}. At most {LOSS:.0%} and less than {early} was to be reached: "
        f"{verdict}. At the greatest strength *{worst.idxmin()}* hurts the final network most "
        f"(AUROC {evaluation.short(worst.min())}). Aside, AUROC on films stored otherwise: {aside}."
    )


def uses(root: Path = config.RESULTS) -> pd.DataFrame:
    """AUROC and share of decisions that flip, for each change of what the network may use.

    Index: the change; columns (network; AUROC, flips, called).
    """
    columns = {}
    for name, title in trust.titles().items():
        scores, cut = scored(changed(name, root)), thresholds(root)[name]
        before, rows = scores[trust.PLAIN]["probability"] >= cut, {}
        for change in (trust.PLAIN, *trust.USES, *trust.BLACKENED):
            after = scores[change]["probability"] >= cut
            rows[change] = {
                "AUROC": evaluation.point(scores[change], cut)["AUROC"],
                "flips": float(np.mean(after != before)),
                "called sick": float(after.mean()),
            }
        columns[title] = pd.DataFrame(rows).T
    return pd.concat(columns, axis=1)


def uses_told(table: pd.DataFrame) -> str:
    """What is left of each network's AUROC without lungs, and how often a letter flips it."""
    told = []
    for title in table.columns.levels[0]:
        one = table[title]
        blind, plain = one.loc["lungs blacked out", "AUROC"], one.loc[trust.PLAIN, "AUROC"]
        only = one.loc["all but the lungs blacked out", "AUROC"]
        told.append(
            f"* **{title}**: AUROC {evaluation.short(plain)} on the films, "
            f"{evaluation.short(blind)} with the lungs blacked out, {evaluation.short(only)} with "
            "nothing but the lungs; a pasted letter flips "
            f"{one.loc['marker pasted', 'flips']:.1%} of the decisions, another border "
            f"{one.loc['border replaced', 'flips']:.1%}."
        )
    return "\n".join(told)


# -- whom it fails ---------------------------------------------------------------------------


def error_films(
    result: Result, shown: pd.Series, count: int = 12, root: Path = config.RESULTS
) -> pd.DataFrame:
    """The most confident errors on test films among those that may be shown, worst first.

    ``shown`` is a bool by film name. Columns of ``scores`` with certainty and remark.
    """
    scores = result.scores("test")
    wrong = (scores["probability"] >= result.threshold) != (scores["y"] == 1)
    scores = scores.assign(certainty=referral.certainty(scores, result.threshold))
    worst = scores[wrong & scores["film"].map(shown).eq(True)].nlargest(count, "certainty")
    facts = stress.read(root)
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


def errors_told(result: Result, root: Path = config.RESULTS) -> str:
    """How many errors of each kind, and how often the surround of a false alarm spoke for it."""
    scores = result.scores("test").join(stress.read(root)["margin"], on="film")
    called = scores["probability"] >= result.threshold
    alarms, spared = scores[(scores["y"] == 0) & called], scores[(scores["y"] == 0) & ~called]
    missed = scores[(scores["y"] == 1) & ~called]
    shares = [(films["margin"] > 0.5).mean() for films in (alarms, spared)]
    misses = "is a miss" if len(missed) == 1 else "are misses"
    return (
        f"{len(alarms)} of its {len(alarms) + len(missed)} errors on test films are false alarms, "
        f"{len(missed)} {misses}. The surround speaks for pneumonia (margin above a half) on "
        f"{shares[0]:.0%} of the false alarms and on {shares[1]:.0%} of the normal films that "
        "were left in peace."
    )


# -- when to ask -----------------------------------------------------------------------------


def referral_told(curves: Mapping[str, pd.DataFrame]) -> str:
    """What referring a fifth brings by each order, against what was to be reached."""
    told = []
    for name, table in curves.items():
        row = table.loc[REFERRED]
        verdict = "reached" if row["value"] >= DECIDED else "missed"
        told.append(f"by {name} {telling.percent(row)} ({verdict})")
    enough = [table.index[table["value"] >= DECIDED] for table in curves.values()]
    first = min((index[0] for index in enough if len(index)), default=None)
    reached = (
        f"{DECIDED:.0%} is first reached with {first:.0%} referred"
        if first is not None
        else f"{DECIDED:.0%} is not reached even with half of them referred"
    )
    return (
        f"With the least certain {REFERRED:.0%} of the test films referred, accuracy on the rest "
        f"is: {'; '.join(told)}. At least {DECIDED:.0%} was to be reached; {reached}."
    )


def band_told(chosen: referral.Band, before: pd.DataFrame, after: pd.DataFrame) -> str:
    """What the band, chosen on validation films, does on them and on test films."""
    held = after.loc["sensitivity", "value"] >= referral.WANTED
    spared = after.loc["specificity", "value"] >= referral.WANTED
    verdict = {
        (True, True): "Both hold on the test films.",
        (True, False): "Sensitivity holds on the test films, specificity does not.",
        (False, True): "Specificity holds on the test films, sensitivity does not.",
        (False, False): "Neither holds on the test films.",
    }[held, spared]
    return (
        f"Below {evaluation.short(chosen.low)} a film is called normal, from "
        f"{evaluation.short(chosen.high)} on pneumonia; what lies between goes to the "
        "radiologist. On validation films that refers "
        f"{telling.percent(before.loc['referred'])} for a sensitivity and a specificity of "
        f"{referral.WANTED:.0%}; on test films it refers {telling.percent(after.loc['referred'])}, "
        f"with a sensitivity of {telling.percent(after.loc['sensitivity'])} and a specificity of "
        f"{telling.percent(after.loc['specificity'])} on what it decides. {verdict}"
    )


def verdict_told(
    losses: Mapping[str, pd.Series],
    looks: pd.DataFrame,
    curves: Mapping[str, pd.DataFrame],
) -> str:
    """The chapter in one line: what was to be reached, what was, what was not."""
    final, early = (looks.loc[("Grad-CAM", n), "inside"] for n in ("final", trust.WITNESS))
    first, last = (row["value"] for row in losses.values())
    met = {
        f"corrupted films cost it little ({last:.1%} of its AUROC)": last <= min(LOSS, first),
        f"its maps lie in the lungs ({final:.0%})": final
        >= max(attention.INSIDE, attention.TIMES * early),
        f"with {REFERRED:.0%} referred it is right on {DECIDED:.0%} of the rest": max(
            table.loc[REFERRED, "value"] for table in curves.values()
        )
        >= DECIDED,
    }
    kept = "; ".join(text for text, held in met.items() if held) or "nothing"
    rest = "; ".join(text for text, held in met.items() if not held) or "nothing"
    return f"**In one line:** what can be relied on: {kept}. What cannot be claimed: {rest}."


def calibrated(result: Result) -> dict[str, pd.DataFrame]:
    """Scores by name: validation and test as the network says, and test after Platt scaling.

    The scale is fitted on validation films; the last is told the prevalence of the test films.
    """
    before, after = result.scores("validation"), result.scores("test")
    scale = calibration.fit(before)
    prior, new = float(before["y"].mean()), float(after["y"].mean())
    return {
        "validation, as it says": before,
        "validation, rescaled": scale.apply(before),
        "test, as it says": after,
        "test, rescaled": scale.apply(after),
        "test, rescaled, prevalence told": calibration.shifted(scale.apply(after), prior, new),
    }
