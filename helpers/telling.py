"""Sentences that read a result aloud; each stays true when the result changes.

Functions take results and estimates and give back text (Markdown). Numbers are formatted here
and computed in ``evaluation``.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from helpers import config, evaluation, manifest, models, recipes, record, stress
from helpers.recipes import Recipe
from helpers.study import Result, Study


def percent(row: pd.Series) -> str:
    """``97.2% [95.1, 98.6]``"""
    return f"{row['value']:.1%} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"


def share(row: pd.Series, digits: int = 3) -> str:
    """``.956 [.941, .970]``"""
    value, low, high = (evaluation.short(row[key], digits) for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def plus(value: float) -> str:
    """``+.012`` or ``−.003``"""
    text = evaluation.short(value)
    return text if text.startswith("−") else f"+{text}"


def signed(row: pd.Series) -> str:
    """A difference with its sign: ``+.012 [−.003, +.027]``"""
    value, low, high = (plus(row[key]) for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def minus(text: str) -> str:
    """``text``, a formatted number, with a minus sign for its hyphen."""
    return text.replace("-", "−")


def clear(row: pd.Series) -> bool:
    """Whether a difference's interval leaves out zero, as it is printed (to three digits)."""
    return bool(round(row["low"], 3) > 0 or round(row["high"], 3) < 0)


def line(result: Result, part: str = "validation") -> str:
    """One line on a network for the terminal, at the threshold chosen on validation."""
    scores, table = result.scores(part), result.estimate(part)
    told = ", ".join(
        f"{name} {share(table.loc[name])}" for name in ("AUROC", "sensitivity", "specificity")
    )
    return f"{result.recipe.title} on {len(scores):,} {part} films: {told}"


# -- the study in two sentences -------------------------------------------------------------


def _of_hundred(right: float) -> str:
    """How many of a hundred go wrong, in words that do not round an error away."""
    wrong = 100 * (1 - right)
    return "none" if wrong == 0 else "fewer than one" if wrong < 0.5 else f"about {wrong:.0f}"


def headline(result: Result) -> str:
    """The recorded result in two sentences with intervals."""
    scores, table = result.scores("test"), result.estimate("test")
    missed, alarmed = (_of_hundred(table.loc[m, "value"]) for m in ("sensitivity", "specificity"))
    sick, well = int(scores["y"].sum()), int((1 - scores["y"]).sum())
    return (
        f"On the {len(scores)} official test films, at a threshold fixed on validation films, the "
        f"final network finds **{percent(table.loc['sensitivity'])}** of the {sick} films with "
        f"pneumonia (sensitivity) and recognises **{percent(table.loc['specificity'])}** of the "
        f"{well} without (specificity); accuracy is {percent(table.loc['accuracy'])}, AUROC "
        f"{share(table.loc['AUROC'])}, in brackets 95% intervals. "
        f"Of a hundred sick children it would send {missed} home, and of a hundred healthy ones "
        f"alarm {alarmed} families for nothing."
    )


def box(result: Result) -> str:
    """The three numbers that matter with their intervals, and the headline, in one frame (HTML)."""
    table = result.estimate("test")
    told = {
        "finds the sick (sensitivity)": percent(table.loc["sensitivity"]),
        "leaves the healthy in peace (specificity)": percent(table.loc["specificity"]),
        "tells them apart (AUROC)": share(table.loc["AUROC"]),
    }
    heads = "".join(f'<th align="center">{head}</th>' for head in told)
    cells = "".join(f'<td align="center"><b>{value}</b></td>' for value in told.values())
    rows = f"<tr>{heads}</tr>\n<tr>{cells}</tr>"
    prose = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", headline(result))
    last = f'<tr><td colspan="{len(told)}" align="left">{prose}</td></tr>'
    return f"<table>\n{rows}\n{last}\n</table>"


def overview(results: Path = config.RESULTS) -> str:
    """The recorded result, framed; where there is no valid record, the reason."""
    try:
        return box(Study(results=results).run("final"))
    except record.RecordError as error:
        return f"No recorded result: {error}"


def setting(study: Study) -> str:
    """Where this run's results come from, and whether they are the study's."""
    if study.mode == "replay":
        return (
            f"**Mode replay:** the {len(study.names)} networks' probabilities come from the "
            "recorded study; everything else is computed now."
        )
    films = len(study.films.table)
    trained = f"**Mode train:** every network is trained now, on {films:,} films"
    if study.official:
        return f"{trained} and the full schedule. The results become the record."
    schedule = "a shortened" if study.schedule == "short" else "the full"
    return (
        f"{trained} from {study.films.source}, with {schedule} schedule. From chapter 5 on the "
        "figures are this run's, not the study's; the overview keeps quoting the record."
    )


# -- the data -------------------------------------------------------------------------------


def split(films: pd.DataFrame) -> str:
    """The three parts in a sentence, with what a split by film would have torn apart."""
    counts = manifest.counts(films)
    ours = films[films["part"] != "test"]
    several = ours.groupby("patient").filter(lambda rows: len(rows) > 1)
    told = ", ".join(
        f"{part} {row['total']:,.0f} films of {row['patients']:,.0f} children"
        for part, row in counts.iterrows()
    )
    return (
        f"The parts: {told}. {len(several) / len(ours):.0%} of the training and validation films "
        "belong to a child with several films; a split by film would have put many of these "
        "children on both sides."
    )


# -- networks -------------------------------------------------------------------------------


def schedule(recipe: Recipe) -> str:
    """How a recipe is trained, in a sentence."""
    optimizer = {"adam": "Adam", "adamw": "AdamW"}[recipe.optimizer]
    rate = f"learning rate {recipe.learning_rate:g}"
    if recipe.cosine:
        rate += f" after {recipe.warmup_epochs} epochs of warm-up, then falling along a cosine"
    extras = [f"weight decay {recipe.weight_decay:g}"] * bool(recipe.weight_decay)
    extras += [f"label smoothing {recipe.label_smoothing:g}"] * bool(recipe.label_smoothing)
    kept = (
        "the last epoch" if recipe.take == "last" else "the epoch with the lowest validation loss"
    )
    classes = "weighted equally" if recipe.class_weights == "balanced" else "not weighted"
    stop = (
        f"at most {recipe.epochs} epochs, fewer once the validation loss has not fallen for "
        f"{recipe.patience}"
        if recipe.patience
        else f"{recipe.epochs} epochs"
    )
    return (
        f"Films of {recipe.side} × {recipe.side} pixels in batches of {recipe.batch_size}; "
        f"binary cross-entropy; {optimizer}, {rate}{''.join(f', {e}' for e in extras)}; {stop}. "
        f"Classes are {classes}. The weights of {kept} are kept."
    )


def rule(last: Result) -> str:
    """The rule by which every network but the ``last`` gets its threshold, and where its own is."""
    return (
        "**The rule:** the highest threshold that still finds "
        f"**{config.TARGET_SENSITIVITY:.0%}** of the validation films with pneumonia. It holds for "
        f"every network but the {last.recipe.title.lower()} one, whose threshold, "
        f"{evaluation.short(last.threshold)}, comes from another rule, told in chapter 7: on "
        "validation films as well, but with those counted most whose surround misleads."
    )


def step(first: Result, second: Result, part: str = "validation") -> str:
    """What the second network brought over the first on the same films, at 0.5."""
    table = evaluation.compare(first.scores(part), second.scores(part), (0.5, 0.5))
    names = ("AUROC", "sensitivity", "specificity")
    told = "; ".join(f"{name} {signed(table.loc[name])}" for name in names)
    moved = [name for name in names if clear(table.loc[name])]
    films = len(first.scores(part))
    verdict = (
        f"clear of zero: {', '.join(moved)}"
        if moved
        else f"all three intervals hold zero, so these {films:,} films cannot tell the two apart"
    )
    return (
        f"**{second.recipe.title} against {first.recipe.title}** on the {part} films, at 0.5: "
        f"{told} – {verdict}."
    )


def steps(scores: Mapping[str, pd.DataFrame], part: str) -> str:
    """Which steps of the story raised AUROC beyond chance on the films of ``part``.

    ``scores`` by the network's title, in the story's order.
    """
    names, sorted_out = list(scores), {"raised": [], "lowered": [], "left": []}
    for first, second in itertools.pairwise(names):
        row = evaluation.compare(scores[first], scores[second], (0.5, 0.5)).loc["AUROC"]
        kind = "left" if not clear(row) else "raised" if row["value"] > 0 else "lowered"
        sorted_out[kind].append(f"{first} → {second} ({signed(row)})")
    heads = {
        "raised": "raised AUROC beyond chance",
        "lowered": "lowered it beyond chance",
        "left": "cannot be told from no change",
    }
    told = [f"* {heads[kind]}: {'; '.join(rows)}" for kind, rows in sorted_out.items() if rows]
    return "\n".join(
        [f"**On the {part} films**, each network against the one before it,", "", *told]
    )


def layers(first: str, second: str) -> pd.DataFrame:
    """The layers in which recipe ``second`` differs from ``first``: which, output, parameters.

    An activation of its own is left out where the other network has none (it has it built in).
    """
    tables = [models.summary(models.build(n, side=recipes.get(n).side)) for n in (first, second)]
    if "ReLU" not in tables[0].index:
        tables[1] = tables[1].drop("ReLU", errors="ignore")
    rows = [list(table.reset_index().itertuples(index=False, name=None)) for table in tables]
    told = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, *rows, autojunk=False).get_opcodes():
        if kind != "equal":
            told += [("gone", *row) for row in rows[0][a:b]]
            told += [("new", *row) for row in rows[1][c:d]]
    return pd.DataFrame(told, columns=["", "layer", "output", "parameters"]).set_index("")


def silent(result: Result) -> str:
    """How many trainings ended with one answer for every film."""
    spread = result.seeds("validation").agg(lambda column: column.max() - column.min())
    dead = int((spread < 0.01).sum())
    if not dead:
        return f"All {len(spread)} trainings learnt to tell films apart."
    return (
        f"{dead} of {len(spread)} trainings ended with the same answer for every film: "
        "their units fell silent. What is shown is the training with the lowest validation loss."
    )


def leaky(difference: pd.DataFrame, seeds: int, films: int, path: Path = config.PEERS) -> str:
    """Whether what the first study saw of LeakyReLU, from one training each, holds over seeds."""
    theirs = pd.read_csv(path).query("study == 'First study'").set_index("detail")
    figures = theirs[["accuracy", "sensitivity"]]
    seen = figures.loc["CNN 5 at 64"] - figures.loc["CNN 4 at 64"]
    told = []
    for metric in ("accuracy", "sensitivity"):
        row, way = difference.loc[metric], 1 if seen[metric] > 0 else -1
        word = {1: "higher", -1: "lower"}[way]
        same, opposite = (clear(row) and row["value"] * sign > 0 for sign in (way, -way))
        verdict = "holds" if same else "is contradicted" if opposite else "is not borne out"
        told.append(f"{word} {metric} {verdict}")
    return (
        f"Over {seeds} trainings each and {films:,} films, LeakyReLU minus ReLU is "
        f"{signed(difference.loc['accuracy'])} in accuracy and "
        f"{signed(difference.loc['sensitivity'])} in sensitivity. Of what the first study saw, "
        f"{' and '.join(told)} here."
    )


# -- validation and test --------------------------------------------------------------------


def comparison_title(test: Mapping[str, pd.DataFrame]) -> str:
    """Title of the comparison: which network leads in AUROC and where specificity stands."""
    best = max(test, key=lambda name: test[name].loc["AUROC", "value"])
    specificity = [
        table.loc["specificity", "value"] for name, table in test.items() if name != "Dummy"
    ]
    low, high = evaluation.short(min(specificity), 2), evaluation.short(max(specificity), 2)
    return f"Test films: {best} leads in AUROC; specificity of the trained: {low} to {high}"


def best_against_rest(scores: Mapping[str, pd.DataFrame], thresholds: Mapping[str, float]) -> str:
    """The last network against each other one on the same films, in AUROC and specificity."""
    *others, last = scores
    told = []
    for name in others:
        if name == "Dummy":
            continue
        table = evaluation.compare(scores[name], scores[last], (thresholds[name], thresholds[last]))
        told.append(
            f"* against {name}: AUROC {signed(table.loc['AUROC'])}, "
            f"sensitivity {signed(table.loc['sensitivity'])}, "
            f"specificity {signed(table.loc['specificity'])}"
        )
    head = f"**{last} minus each other network**, on the same films, each at its own threshold:"
    return "\n".join([head, "", *told])


def shift(validation: pd.DataFrame, test: pd.DataFrame, threshold: float) -> str:
    """What the test films' scores do against the validation films', by class."""
    told = []
    for value, name in enumerate(config.LABELS):
        early, late = (
            evaluation.short(s.loc[s["y"] == value, "probability"].median(), 2)
            for s in (validation, test)
        )
        told.append(f"the median {name} score goes from {early} to {late}")
    alarms = [(s.loc[s["y"] == 0, "probability"] >= threshold).mean() for s in (validation, test)]
    return (
        f"From validation to test, {' and '.join(told)}. At the same threshold, "
        f"{alarms[0]:.1%} of the normal validation films and {alarms[1]:.1%} of the normal test "
        "films are called pneumonia."
    )


def peers(ours: pd.DataFrame, path: Path = config.PEERS) -> pd.DataFrame:
    """What others report on the test films, as text, with our network in the last row."""
    table = pd.read_csv(path)
    names = ["accuracy", "sensitivity", "specificity", "AUROC"]
    text = table[names].map(evaluation.short)
    text.index = pd.Index(table["study"] + ", " + table["detail"], name="who")
    text.loc["this study, final network"] = evaluation.written(ours)[names]
    return text


def against_first_study(test_at_half: Mapping[str, pd.DataFrame], path: Path = config.PEERS) -> str:
    """Our CNN 4 and CNN 5 at 0.5 beside what the first study published of its own."""
    theirs = pd.read_csv(path).query("study == 'First study'")
    told = []
    for row in theirs.itertuples():
        name = row.detail.removesuffix(" at 64")
        ours = test_at_half[name].loc["accuracy"]
        place = "above" if row.accuracy > ours["high"] else "below"
        place = "within" if ours["low"] <= row.accuracy <= ours["high"] else place
        told.append(
            f"{name} has an accuracy of {share(ours)} here and {evaluation.short(row.accuracy)} "
            f"there, {place} our interval"
        )
    return f"At 0.5, as the first study judged, {'; '.join(told)}."


def conclusion(
    validation: Mapping[str, pd.DataFrame],
    test: Mapping[str, pd.DataFrame],
    target: float = stress.SENSITIVITY,
) -> str:
    """The study's answer, from the estimates at the rule's thresholds.

    ``target`` is the sensitivity that the last network's rule promises.
    """
    *_, name = test
    before, after = validation[name], test[name]
    sensitivity, specificity = after.loc["sensitivity"], after.loc["specificity"]
    lost = specificity["high"] < before.loc["specificity", "low"]
    held = (
        "is exceeded on the test films"
        if sensitivity["low"] > target
        else "is broken on the test films"
        if sensitivity["high"] < target
        else "is compatible with what the test films show"
    )
    promise = f"The promise of {target:.0%} sensitivity {held} ({percent(sensitivity)})"
    price = f"goes from {percent(before.loc['specificity'])} to {percent(specificity)}"
    trust = (
        "a fall beyond chance: what validation promised must not be trusted"
        if lost
        else "within what chance allows"
    )
    return (
        f"The {name.lower()} network separates the test films with an AUROC of "
        f"{share(after.loc['AUROC'])}. {promise}; specificity {price}, "
        f"{trust}."
    )


def gap(validation: Mapping[str, pd.DataFrame], test: Mapping[str, pd.DataFrame]) -> str:
    """What became of the validation figures on the test films, over the networks given."""
    told = []
    for metric in ("AUROC", "sensitivity", "specificity"):
        change = [test[n].loc[metric, "value"] - validation[n].loc[metric, "value"] for n in test]
        told.append(f"{metric} {evaluation.short(min(change))} to {evaluation.short(max(change))}")
    ceiling = {name: table.loc["specificity", "high"] for name, table in test.items()}
    below = [n for n in test if ceiling[n] < validation[n].loc["specificity", "low"]]
    return (
        "From validation to test, the same networks at the same thresholds change by: "
        f"{'; '.join(told)}. For {len(below)} of {len(test)} networks the specificity interval on "
        "test lies wholly below the one on validation."
    )


def openings(ledger: pd.DataFrame) -> str:
    """How often the test films were scored."""
    times = ledger["recipe"].value_counts()
    often = times[times > 1]
    first, last = ledger["date"].min()[:10], ledger["date"].max()[:10]
    when = f"on {first}" if first == last else f"from {first} to {last}"
    more = "" if often.empty else f" ({', '.join(f'{n} {k} times' for n, k in often.items())})"
    return (
        f"The ledger lists {len(ledger)} scorings of the test films, {when}, for "
        f"{ledger['recipe'].nunique()} recipes{more}."
    )


def known_before(ledger: pd.DataFrame, early: Recipe, late: Recipe) -> str:
    """What the ledger says was known of the test films before the ``late`` recipe was made."""
    first, second = (
        pd.to_datetime(ledger.loc[ledger["recipe_digest"] == recipe.digest(), "date"]).min()
        for recipe in (early, late)
    )
    if pd.isna(first) or pd.isna(second):
        return "The ledger does not say what was known beforehand: it lacks one of the scorings."
    if first >= second:
        return f"The {late.title.lower()} network was scored before the {early.title.lower()}."
    return (
        f"**What was known beforehand.** The {early.title.lower()} was scored on these films at "
        f"{first:%H:%M} on {first:%Y-%m-%d} (UTC), the {late.title.lower()} network at "
        f"{second:%H:%M} on {second:%Y-%m-%d}. So the gap between validation and test was known "
        "before its cure was sought. No test film chose a setting, but a test result was a reason "
        f"to look further: the {late.title.lower()} network's figures are a second "
        "look, not a blind first one. Its interval covers the luck of the films, not that; only "
        "films that nobody has scored could confirm it."
    )


def subtypes(table: pd.DataFrame) -> str:
    """Sensitivity for bacterial and viral films of one network."""
    bacterial, viral = table.loc["bacterial"], table.loc["viral"]
    apart = bacterial["low"] > viral["high"] or viral["low"] > bacterial["high"]
    return (
        f"It finds {percent(bacterial)} of the {bacterial['films']:.0f} bacterial and "
        f"{percent(viral)} of the {viral['films']:.0f} viral films; the intervals "
        f"{'do not overlap' if apart else 'overlap'}."
    )
