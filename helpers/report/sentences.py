"""The sentences that the notebook still composes, until they are written by hand."""

import itertools
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import config, explain
from helpers.data import manifest
from helpers.evaluation import decisions, metrics, thresholds
from helpers.experiments import bench, trials, trust
from helpers.experiments import shift as dataset_shift
from helpers.models import lungs
from helpers.report import tables
from helpers.shortcuts import acquisition, perturbations
from helpers.training import record
from helpers.training.recipes import Recipe
from helpers.training.study import Result, Study

AGAIN = "again"  # folder of the record's repetition, made to see whether it repeats


def minus(text: str) -> str:
    """``text``, a formatted number, with a minus sign for its hyphen."""
    return text.replace("-", "−")


def clear(row: pd.Series) -> bool:
    """Whether a difference's interval leaves out zero, as it is printed (to three digits)."""
    return bool(round(row["low"], 3) > 0 or round(row["high"], 3) < 0)


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
        f"final network finds **{tables.percent(table.loc['sensitivity'])}** of the {sick} films with "
        f"pneumonia (sensitivity) and recognises **{tables.percent(table.loc['specificity'])}** of the "
        f"{well} without (specificity); accuracy is {tables.percent(table.loc['accuracy'])}, AUROC "
        f"{tables.share(table.loc['AUROC'])}, in brackets 95% intervals. "
        f"Of a hundred sick children it would send {missed} home, and of a hundred healthy ones "
        f"alarm {alarmed} families for nothing."
    )


def box(result: Result) -> str:
    """The three numbers that matter with their intervals, and the headline, in one frame (HTML)."""
    table = result.estimate("test")
    told = {
        "finds the sick (sensitivity)": tables.percent(table.loc["sensitivity"]),
        "leaves the healthy in peace (specificity)": tables.percent(table.loc["specificity"]),
        "tells them apart (AUROC)": tables.share(table.loc["AUROC"]),
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
        f"{metrics.short(last.threshold)}, comes from another rule, told in chapter 7: on "
        "validation films as well, but with those counted most whose surround misleads."
    )


def step(first: Result, second: Result, part: str = "validation") -> str:
    """What the second network brought over the first on the same films, at 0.5."""
    table = metrics.compare(first.scores(part), second.scores(part), (0.5, 0.5))
    names = ("AUROC", "sensitivity", "specificity")
    told = "; ".join(f"{name} {tables.signed(table.loc[name])}" for name in names)
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
        row = metrics.compare(scores[first], scores[second], (0.5, 0.5)).loc["AUROC"]
        kind = "left" if not clear(row) else "raised" if row["value"] > 0 else "lowered"
        sorted_out[kind].append(f"{first} → {second} ({tables.signed(row)})")
    heads = {
        "raised": "raised AUROC beyond chance",
        "lowered": "lowered it beyond chance",
        "left": "cannot be told from no change",
    }
    told = [f"* {heads[kind]}: {'; '.join(rows)}" for kind, rows in sorted_out.items() if rows]
    return "\n".join(
        [f"**On the {part} films**, each network against the one before it,", "", *told]
    )


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
        f"{tables.signed(difference.loc['accuracy'])} in accuracy and "
        f"{tables.signed(difference.loc['sensitivity'])} in sensitivity. Of what the first study saw, "
        f"{' and '.join(told)} here."
    )


def comparison_title(test: Mapping[str, pd.DataFrame]) -> str:
    """Title of the comparison: which network leads in AUROC and where specificity stands."""
    best = max(test, key=lambda name: test[name].loc["AUROC", "value"])
    specificity = [
        table.loc["specificity", "value"] for name, table in test.items() if name != "Dummy"
    ]
    low, high = metrics.short(min(specificity), 2), metrics.short(max(specificity), 2)
    return f"Test films: {best} leads in AUROC; specificity of the trained: {low} to {high}"


def best_against_rest(scores: Mapping[str, pd.DataFrame], thresholds: Mapping[str, float]) -> str:
    """The last network against each other one on the same films, in AUROC and specificity."""
    *others, last = scores
    told = []
    for name in others:
        if name == "Dummy":
            continue
        table = metrics.compare(scores[name], scores[last], (thresholds[name], thresholds[last]))
        told.append(
            f"* against {name}: AUROC {tables.signed(table.loc['AUROC'])}, "
            f"sensitivity {tables.signed(table.loc['sensitivity'])}, "
            f"specificity {tables.signed(table.loc['specificity'])}"
        )
    head = f"**{last} minus each other network**, on the same films, each at its own threshold:"
    return "\n".join([head, "", *told])


def shift(validation: pd.DataFrame, test: pd.DataFrame, threshold: float) -> str:
    """What the test films' scores do against the validation films', by class."""
    told = []
    for value, name in enumerate(config.LABELS):
        early, late = (
            metrics.short(s.loc[s["y"] == value, "probability"].median(), 2)
            for s in (validation, test)
        )
        told.append(f"the median {name} score goes from {early} to {late}")
    alarms = [(s.loc[s["y"] == 0, "probability"] >= threshold).mean() for s in (validation, test)]
    return (
        f"From validation to test, {' and '.join(told)}. At the same threshold, "
        f"{alarms[0]:.1%} of the normal validation films and {alarms[1]:.1%} of the normal test "
        "films are called pneumonia."
    )


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
            f"{name} has an accuracy of {tables.share(ours)} here and {metrics.short(row.accuracy)} "
            f"there, {place} our interval"
        )
    return f"At 0.5, as the first study judged, {'; '.join(told)}."


def conclusion(
    validation: Mapping[str, pd.DataFrame],
    test: Mapping[str, pd.DataFrame],
    target: float = thresholds.SENSITIVITY,
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
    promise = f"The promise of {target:.0%} sensitivity {held} ({tables.percent(sensitivity)})"
    price = (
        f"goes from {tables.percent(before.loc['specificity'])} to {tables.percent(specificity)}"
    )
    trust = (
        "a fall beyond chance: what validation promised must not be trusted"
        if lost
        else "within what chance allows"
    )
    return (
        f"The {name.lower()} network separates the test films with an AUROC of "
        f"{tables.share(after.loc['AUROC'])}. {promise}; specificity {price}, "
        f"{trust}."
    )


def gap(validation: Mapping[str, pd.DataFrame], test: Mapping[str, pd.DataFrame]) -> str:
    """What became of the validation figures on the test films, over the networks given."""
    told = []
    for metric in ("AUROC", "sensitivity", "specificity"):
        change = [test[n].loc[metric, "value"] - validation[n].loc[metric, "value"] for n in test]
        told.append(f"{metric} {metrics.short(min(change))} to {metrics.short(max(change))}")
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
        f"It finds {tables.percent(bacterial)} of the {bacterial['films']:.0f} bacterial and "
        f"{tables.percent(viral)} of the {viral['films']:.0f} viral films; the intervals "
        f"{'do not overlap' if apart else 'overlap'}."
    )


HEAD = "**In one line:**"


# What each network of chapter 5 adds to the one before it.
IDEAS = {
    "CNN 1": "neighbourhoods",
    "CNN 2": "dropout",
    "CNN 3": "depth",
    "CNN 4": "augmentation",
    "CNN 5": "another activation",
    "Residual net": "a residual network",
    "Final": "the cut to the lungs",
}


def _steps(count: int) -> str:
    return "one step" if count == 1 else f"{count} steps"


def closing_overview(promised: Mapping[str, pd.DataFrame], kept: Mapping[str, pd.DataFrame]) -> str:
    """Chapter 1: how well, and how it got there; estimates on validation and test by title."""
    first, *_, last = kept
    best, told = kept[last], promised[last].loc["specificity"]
    spared = best.loc["specificity"]
    verdict = (
        "less than validation promised"
        if spared["high"] < told["low"]
        else "about what validation promised"
    )
    return (
        f"{HEAD} on films it had never seen the {last.lower()} network has an AUROC of "
        f"{tables.share(best.loc['AUROC'])}, from {tables.share(kept[first].loc['AUROC'])} of "
        f"the {first.lower()} network {_steps(len(kept) - 1)} before; it finds "
        f"{tables.percent(best.loc['sensitivity'])} of the sick and leaves "
        f"{tables.percent(spared)} of the healthy in peace, {verdict} ({tables.percent(told)})."
    )


def closing_models(scores: Mapping[str, pd.DataFrame]) -> str:
    """Chapter 5: what each idea brought on validation films; ``scores`` by title, in order."""
    seen, unseen = [], []
    for first, second in itertools.pairwise(scores):
        if second in IDEAS:
            row = metrics.compare(scores[first], scores[second], (0.5, 0.5)).loc["AUROC"]
            kind = seen if clear(row) else unseen
            kind.append(f"{IDEAS[second]} ({tables.signed(row)})")
    return (
        f"{HEAD} on validation films {', '.join(seen) or 'nothing'} changed AUROC beyond chance; "
        f"{', '.join(unseen) or 'nothing'} did not. So ask films from another batch."
    )


def _reach(test: Mapping[str, pd.DataFrame], metric: str) -> str:
    """The lowest and the highest network in ``metric``, each with its interval."""
    order = sorted(test, key=lambda name: test[name].loc[metric, "value"])
    low, high = (f"{tables.share(test[n].loc[metric])} ({n})" for n in (order[0], order[-1]))
    return f"{metric} from {low} to {high}"


def closing_tested(validation: Mapping[str, pd.DataFrame], test: Mapping[str, pd.DataFrame]) -> str:
    """Chapter 6: how the trained networks do on the test films, each at its own threshold."""
    told = "; ".join(_reach(test, metric) for metric in ("AUROC", "sensitivity", "specificity"))
    below = [
        name
        for name in test
        if test[name].loc["specificity", "high"] < validation[name].loc["specificity", "low"]
    ]
    return (
        f"{HEAD} on the test films the {len(test)} trained networks reach {told}; specificity is "
        f"below what validation promised, beyond chance, for {len(below)} of them."
    )


def closing_threshold(curve: pd.DataFrame, stakes: decisions.Stakes, chosen: float) -> str:
    """Chapter 8: from which probability to call, by validation films, and what errors cost there.

    ``curve`` is ``costs.curve`` on the test films and holds the threshold ``chosen``.
    """
    row, best = curve.loc[chosen], curve["value"].idxmin()
    verdict = (
        "so a threshold must be checked where it is used"
        if curve.loc[best, "value"] < row["low"]
        else "which chance may explain"
    )
    return (
        f"{HEAD} at the costs assumed here validation films say to call from "
        f"{metrics.short(chosen)} on; on the test films the errors then cost "
        f"{dollars(row['value'])} [{row['low']:,.0f}, {row['high']:,.0f}] for a thousand "
        f"children, {stakes.prevalence:.0%} of them sick. From {metrics.short(best, 2)} on it "
        f"would be {dollars(curve.loc[best, 'value'])}, {verdict}."
    )


def closing_study(before: pd.DataFrame, after: pd.DataFrame, apart: pd.DataFrame) -> str:
    """Chapter 10: what was learnt, and what must not be concluded.

    Estimates of the final network on validation and test films, and ``dataset_shift.compare_views``.
    """
    lungs = apart.loc["AUROC"]
    cure = (
        "networks that see the lungs cut out travel better than those that see the whole film"
        if clear(lungs) and lungs["value"] > 0
        else "cutting the film to the lungs made no sure difference"
    )
    fell = after.loc["specificity", "high"] < before.loc["specificity", "low"]
    return (
        f"{HEAD} {cure} ({tables.signed(lungs)} in AUROC on the test films), and a threshold from "
        f"validation films of one batch {'did not hold' if fell else 'held'} in the next "
        f"(specificity {tables.percent(before.loc['specificity'])} there, "
        f"{tables.percent(after.loc['specificity'])} here); nobody must conclude from it how it "
        "does in another hospital, or decide on a child by it."
    )


def dollars(value: float) -> str:
    """``USD 17,481``"""
    # Not the sign: two of them in a paragraph are a formula to Jupyter.
    return f"USD {value:,.0f}"


def costs_told(
    curve: pd.DataFrame,
    stakes: decisions.Stakes,
    marks: Mapping[str, float],
    among: str = "test films",
) -> str:
    """What each operating point costs, against the cheapest and against no network."""
    told = []
    for name, threshold in marks.items():
        row = {key: np.interp(threshold, curve.index, curve[key]) for key in curve}
        told.append(
            f"* {name} ({metrics.short(threshold)}): {dollars(row['value'])} "
            f"[{row['low']:,.0f}, {row['high']:,.0f}]"
        )
    cheapest = curve["value"].idxmin()
    without = min(decisions.baseline_costs(stakes).items(), key=lambda pair: pair[1])
    return (
        f"Cost of the errors for a thousand children, {stakes.prevalence:.0%} of them sick, "
        f"{among}:\n\n" + "\n".join(told) + "\n\nThe cheapest threshold on these films would be "
        f"{metrics.short(cheapest, 2)} ({dollars(curve['value'].min())}), which only they could "
        f"tell; without a network the cheapest is to {without[0]} ({dollars(without[1])})."
    )


def calibration_told(table: pd.DataFrame) -> str:
    """Whether Platt scaling fitted on validation films helped on them and on the test films."""

    def change(part: str) -> tuple[float, float]:
        return (table.loc[f"{part}, {how}", "Brier"] for how in ("as it says", "rescaled"))

    told = []
    for part, meaning in (("validation", "of validation films"), ("test", "of test films")):
        plain, scaled = change(part)
        verb = "lowers" if scaled < plain else "raises"
        told.append(
            f"{verb} the Brier score {meaning} from {metrics.short(plain)} to "
            f"{metrics.short(scaled)}"
        )
    same = table.loc["test, rescaled, prevalence told", "Brier"]
    plain, scaled = change("test")
    rest = (
        "What validation films taught of probabilities does not hold in the next batch, "
        f"and prevalence is not the reason: told the right one, the score is "
        f"{metrics.short(same)}. So the network's own, cautious probabilities stay in use"
        if plain < min(scaled, same)
        else "What validation films taught of probabilities holds in the next batch"
    )
    return f"Platt scaling, fitted on validation films, {told[0]} and {told[1]}. {rest}."


def decision_told(table: pd.DataFrame, stakes: decisions.Stakes) -> str:
    """The net benefit at the stakes' threshold, against treating everybody."""
    at = table.index[np.argmin(np.abs(table.index - stakes.threshold))]
    row, everybody = table.loc[at], table.loc[at, "everybody"]
    more = 1000 * (row["value"] - max(everybody, 0))
    verdict = "beyond chance" if row["low"] > max(everybody, 0) else "which may be chance"
    return (
        f"At the threshold that these costs imply ({metrics.short(at, 2)}) the net benefit is "
        f"{tables.share(row)}, that of treating everybody {metrics.short(everybody)}: worth "
        f"{more:.0f} more sick children found in a thousand, at no further alarm, {verdict}."
    )


def predictive_told(table: pd.DataFrame, low: float = 0.05, high: float = 0.5) -> str:
    """What a call and an all-clear are worth where few and where many are sick."""
    told = []
    for prevalence in (low, high):
        row = table.loc[prevalence]
        told.append(
            f"where {prevalence:.0%} of the children are sick, {tables.percent(row['PPV'])} of "
            f"the called ones are, {tables.percent(row['NPV'])} of the others are not, and of "
            f"{row['judged for one error']['value']:.1f} judged one is judged wrongly"
        )
    return f"{told[0][0].upper()}{told[0][1:]}; {told[1]}."


def apparatus_told(groups: pd.DataFrame) -> str:
    """What the groups give away, in a sentence."""
    low, high = groups["pneumonia"].idxmin(), groups["pneumonia"].idxmax()
    return (
        f"Nobody told the grouping which film is sick, and yet in group {low} "
        f"{groups.loc[low, 'pneumonia']:.0%} of the films show pneumonia and in group {high} "
        f"{groups.loc[high, 'pneumonia']:.0%}. Children do not fall ill by apparatus: the sick "
        "were more often filmed on another one."
    )


def witnesses_told(table: pd.DataFrame) -> str:
    """How much of the whole film's score is to be had without lungs."""
    blind, whole = (
        table.loc[dataset_shift.EVIDENCE["background"]],
        table.loc[dataset_shift.EVIDENCE["whole_film"]],
    )
    share = (blind["value"] - 0.5) / (whole["value"] - 0.5)
    return (
        f"With the lungs blacked out a network reaches an AUROC of {tables.share(blind)}; with "
        f"the whole film {tables.share(whole)}. So {share:.0%} of what the score has above chance "
        "can be had without a look at a lung."
    )


def ranking_told(table: pd.DataFrame) -> str:
    """Whether stress validation orders the networks as the test films do: rank correlations."""
    ranks = table.corr(method="spearman")["test"]
    plain, hard = ranks["validation"], ranks["stress"]
    closer = "closer to" if hard > plain else "no closer to" if hard == plain else "farther from"
    spread = {part: np.ptp(table[part]) for part in table}
    return (
        f"Stress validation spreads these {len(table)} networks over "
        f"{metrics.short(spread['stress'])} of AUROC, ordinary validation over "
        f"{metrics.short(spread['validation'])}, the test films over "
        f"{metrics.short(spread['test'])}. Its order is {closer} that of the test films: the "
        f"rank correlation with the test is {metrics.short(hard, 2)} for stress validation and "
        f"{metrics.short(plain, 2)} for ordinary validation."
    )


def trials_told(table: pd.DataFrame) -> str:
    """What the trials say: which lead and trail, and how far the seeds lie apart."""
    best, worst = table.index[0], table.index[-1]
    spread = table["spread"].median()
    close = table.index[table["stress AUROC"] > table["stress AUROC"].iloc[0] - 2 * spread]
    flips = table[list(perturbations.COUNTERFACTUALS)].max(axis=1)
    return (
        f"Against the stereotype *{best.lower()}* leads with a mean AUROC of "
        f"{metrics.short(table['stress AUROC'].iloc[0])} and *{worst.lower()}* trails with "
        f"{metrics.short(table['stress AUROC'].iloc[-1])}; the seeds of a trial have a "
        f"standard deviation of about {metrics.short(spread)}, and {len(close)} of the "
        f"{len(table)} lie within two of it of the first. Fewest decisions flip with "
        f"*{flips.idxmin().lower()}* "
        f"({flips.min():.1%} at the worst change), most with *{flips.idxmax().lower()}* "
        f"({flips.max():.1%})."
    )


def averaging() -> pd.DataFrame:
    """Figures of the mean of a trial's seeds less the seeds' mean figures: a row a trial."""
    rows = {}
    for name, trial in trials.TRIALS.items():
        seeds = trials.scores(name).groupby("seed")
        single = pd.DataFrame([acquisition.stress_figures(of) for _, of in seeds]).mean()
        mean = np.mean([of["probability"] for _, of in seeds], axis=0)
        together = seeds.get_group(trial.seeds[0]).assign(probability=mean)
        rows[trial.title] = pd.Series(acquisition.stress_figures(together)) - single
    return pd.DataFrame(rows).T


def averaging_told(gains: pd.DataFrame) -> str:
    """On how many trials averaging over seeds helped, and by how much."""
    told = []
    for name, what in (("validation AUROC", "ordinary"), ("stress AUROC", "stress")):
        better = int((gains[name] > 0).sum())
        told.append(
            f"on {what} validation for {better} of {len(gains)} trials, by "
            f"{metrics.short(gains[name].mean())} of AUROC on average"
        )
    return f"Averaging three trainings instead of taking one helps {told[0]}, and {told[1]}."


def rule_told(result: Result) -> str:
    """The final network's rule and what it gives on validation films."""
    even, least = thresholds.rule_parts(acquisition.weighted(result.scores("validation")))
    binding = "the second, which is lower" if least < even else "the first, which is lower"
    return (
        "**The rule:** where the surround says nothing (validation films counted against their "
        "stereotype) misses and false alarms are equally frequent, which happens at "
        f"{metrics.short(even)}; but at least {thresholds.SENSITIVITY:.0%} of all validation "
        f"films with pneumonia, counted alike, are called, which needs "
        f"{metrics.short(least)} or less. So the threshold is "
        f"{metrics.short(result.threshold)}: {binding}."
    )


def views_told(difference: pd.DataFrame) -> str:
    """Whether cutting out the lungs made the difference on the test films."""
    row = difference.loc["AUROC"]
    verdict = (
        "beyond chance: to cut the film to the lungs is what travels"
        if clear(row) and row["value"] > 0
        else "beyond chance, and against the cure"
        if clear(row)
        else "not told from zero"
    )
    return (
        "On the test films members that see the lungs cut out differ from members that see the "
        f"whole film by {tables.signed(row)} in AUROC, {verdict}."
    )


def rule_cost_told(result: Result) -> str:
    """What the operating point gives away on the test films against the customary half."""
    test = result.scores("test")
    ours, half = (metrics.point(test, cut) for cut in (result.threshold, 0.5))
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
        f"At {metrics.short(result.threshold)} the network calls {called:.0%} of the test films "
        "sick; "
        f"{test['y'].mean():.0%} are. At a half, sensitivity would change by "
        f"{tables.plus(change['sensitivity'])} and specificity by "
        f"{tables.plus(change['specificity'])}. By the sum of both, {verdict}."
    )


def cure_told(gained: pd.DataFrame, test: pd.DataFrame) -> str:
    """Whether the cure helped on the test films, each network at its own threshold."""
    words = {}
    for metric in ("AUROC", "accuracy", "sensitivity", "specificity"):
        row = gained.loc[metric]
        words[metric] = f"{metric} changes by {tables.signed(row)}" + (
            "" if clear(row) else " (not told from zero)"
        )
    return (
        f"From the residual network to the final one {'; '.join(words.values())}. "
        f"The final network stands at AUROC {tables.share(test.loc['AUROC'])}, accuracy "
        f"{tables.share(test.loc['accuracy'])}, sensitivity "
        f"{tables.share(test.loc['sensitivity'])}, specificity "
        f"{tables.share(test.loc['specificity'])}."
    )


def targets_told(test: pd.DataFrame) -> str:
    """Which of the figures fixed beforehand were reached, value by value."""
    told = []
    for metric, (must, aim) in dataset_shift.TARGETS.items():
        value = test.loc[metric, "value"]
        word = "reached, with the aim" if value >= aim else "reached" if value >= must else "missed"
        told.append(
            f"{metric} at least {metrics.short(must)} (hoped for {metrics.short(aim)}): "
            f"{tables.share(test.loc[metric])}, {word}"
        )
    return (
        "**Against what was to be reached**, fixed before the final network was scored:\n\n"
        + "\n".join(f"* {line}" for line in told)
    )


def repeated_told(result: Result, root: Path = config.RESULTS) -> str:
    """How near a second training of lungs and members, from start to end, comes to the record."""
    other = Study(results=root / AGAIN).run(result.recipe.name)
    first, second = (metrics.written(one.estimate("test")) for one in (result, other))
    names = ("AUROC", "accuracy", "sensitivity", "specificity")
    told = ", ".join(f"{name} {second[name]} against {first[name]}" for name in names)
    apart = (result.scores("test")["probability"] - other.scores("test")["probability"]).abs()
    minutes = sum(other.record.facts["training_seconds"].values()) / 60
    return (
        f"Trained a second time from start to end ({minutes:.0f} minutes), the final network gives "
        f"on the test films: {told}. Its probability of a film differs from the recorded one by "
        f"{metrics.short(apart.median())} in the median and by {metrics.short(apart.max())} "
        "at most."
    )


def explained_told(by_title: Mapping[str, pd.DataFrame]) -> str:
    """How much of each network's fall in specificity the margins explain, by title."""
    shares = {}
    for title, table in by_title.items():
        before, expected, after = table["value"]
        shares[title] = (before - expected) / (before - after) if before > after else np.nan
    told = ", ".join(
        f"{title} {minus(f'{share:.0%}')}" for title, share in shares.items() if np.isfinite(share)
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
        told[part] = (median, metrics.estimate(scores, threshold=0.5).loc["AUROC"])
    (before, early), (after, late) = told.values()
    return (
        f"To the margin the median normal validation film has a probability of pneumonia of "
        f"{metrics.short(before, 2)}, the median normal test film one of "
        f"{metrics.short(after, 2)}. A reader of margins, so "
        f"good on validation films (AUROC {tables.share(early)}), is left with "
        f"{tables.share(late)} on test films."
    )


def remaining_errors_told(table: pd.DataFrame, least: int = 20) -> str:
    """Where it is worst, among kinds of at least ``least`` films."""
    enough = table[table["films"] >= least]
    worst = enough["value"].idxmin()
    row = enough.loc[worst]
    return (
        f"Of all kinds with at least {least} films it is worst on *{worst[1]}*: "
        f"{tables.percent(row)} of {row['films']:.0f} films called rightly."
    )


def robustness_told(losses: Mapping[str, pd.Series], by_title: Mapping[str, pd.DataFrame]) -> str:
    """How much the corruptions cost each network, and which one costs the final one most.

    Both by title, the final network last.
    """
    told = " and ".join(f"{title} {tables.percent(row)}" for title, row in losses.items())
    (early, first), (title, last) = list(losses.items())
    worst = (
        by_title[title].drop(list(perturbations.STORAGE_ERRORS)).xs(5, level="strength")["AUROC"]
    )
    sides = by_title[title].loc[list(perturbations.STORAGE_ERRORS)].xs(1, level="strength")["AUROC"]
    verdict = (
        "reached" if last["value"] <= trust.LOSS and last["value"] < first["value"] else "missed"
    )
    aside = ", ".join(f"{name} {metrics.short(value)}" for name, value in sides.items())
    return (
        "Averaged over eight corruptions at five strengths the AUROC falls, relative to the films "
        f"as they are, by: {told}. At most {trust.LOSS:.0%} and less than {early} was to be reached: "
        f"{verdict}. At the greatest strength *{worst.idxmin()}* hurts the final network most "
        f"(AUROC {metrics.short(worst.min())}). Aside, AUROC on films stored otherwise: {aside}."
    )


def uses_told(table: pd.DataFrame) -> str:
    """What is left of each network's AUROC without lungs, and how often a letter flips it."""
    told = []
    for title in table.columns.levels[0]:
        one = table[title]
        blind, plain = one.loc["lungs blacked out", "AUROC"], one.loc[bench.PLAIN, "AUROC"]
        only = one.loc["all but the lungs blacked out", "AUROC"]
        told.append(
            f"* **{title}**: AUROC {metrics.short(plain)} on the films, "
            f"{metrics.short(blind)} with the lungs blacked out, {metrics.short(only)} with "
            "nothing but the lungs; a pasted letter flips "
            f"{one.loc['marker pasted', 'flips']:.1%} of the decisions, another border "
            f"{one.loc['border replaced', 'flips']:.1%}."
        )
    return "\n".join(told)


def errors_told(result: Result, root: Path = config.RESULTS) -> str:
    """How many errors of each kind, and how often the surround of a false alarm spoke for it."""
    scores = result.scores("test").join(acquisition.read(root)["margin"], on="film")
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


def referral_told(curves: Mapping[str, pd.DataFrame]) -> str:
    """What referring a fifth brings by each order, against what was to be reached."""
    told = []
    for name, table in curves.items():
        row = table.loc[trust.REFERRED]
        verdict = "reached" if row["value"] >= trust.DECIDED else "missed"
        told.append(f"by {name} {tables.percent(row)} ({verdict})")
    enough = [table.index[table["value"] >= trust.DECIDED] for table in curves.values()]
    first = min((index[0] for index in enough if len(index)), default=None)
    reached = (
        f"{trust.DECIDED:.0%} is first reached with {first:.0%} referred"
        if first is not None
        else f"{trust.DECIDED:.0%} is not reached even with half of them referred"
    )
    return (
        f"With the least certain {trust.REFERRED:.0%} of the test films referred, accuracy on the rest "
        f"is: {'; '.join(told)}. At least {trust.DECIDED:.0%} was to be reached; {reached}."
    )


def band_told(chosen: decisions.Band, before: pd.DataFrame, after: pd.DataFrame) -> str:
    """What the band, chosen on validation films, does on them and on test films."""
    held = after.loc["sensitivity", "value"] >= decisions.REFERRAL_TARGET
    spared = after.loc["specificity", "value"] >= decisions.REFERRAL_TARGET
    verdict = {
        (True, True): "Both hold on the test films.",
        (True, False): "Sensitivity holds on the test films, specificity does not.",
        (False, True): "Specificity holds on the test films, sensitivity does not.",
        (False, False): "Neither holds on the test films.",
    }[held, spared]
    return (
        f"Below {metrics.short(chosen.low)} a film is called normal, from "
        f"{metrics.short(chosen.high)} on pneumonia; what lies between goes to the "
        "radiologist. On validation films that refers "
        f"{tables.percent(before.loc['referred'])} for a sensitivity and a specificity of "
        f"{decisions.REFERRAL_TARGET:.0%}; on test films it refers {tables.percent(after.loc['referred'])}, "
        f"with a sensitivity of {tables.percent(after.loc['sensitivity'])} and a specificity of "
        f"{tables.percent(after.loc['specificity'])} on what it decides. {verdict}"
    )


def verdict_told(
    losses: Mapping[str, pd.Series],
    looks: pd.DataFrame,
    curves: Mapping[str, pd.DataFrame],
) -> str:
    """The chapter in one line: what was to be reached, what was, what was not."""
    final, early = (looks.loc[("Grad-CAM", n), "inside"] for n in ("final", trust.REFERENCE))
    first, last = (row["value"] for row in losses.values())
    met = {
        f"corrupted films cost it little ({last:.1%} of its AUROC)": last <= min(trust.LOSS, first),
        f"its maps lie in the lungs ({final:.0%})": final >= max(trust.INSIDE, trust.TIMES * early),
        f"with {trust.REFERRED:.0%} referred it is right on {trust.DECIDED:.0%} of the rest": max(
            table.loc[trust.REFERRED, "value"] for table in curves.values()
        )
        >= trust.DECIDED,
    }
    kept = "; ".join(text for text, held in met.items() if held) or "nothing"
    rest = "; ".join(text for text, held in met.items() if not held) or "nothing"
    return f"**In one line:** what can be relied on: {kept}. What cannot be claimed: {rest}."


def looks_by_call_told(table: pd.DataFrame) -> str:
    """Where the maps of pneumonia calls lie, both networks."""
    rows = {name: table.loc[(name, "pneumonia")] for name in (trust.REFERENCE, "final")}
    told = "; ".join(
        f"{trust.titles()[name]} {_inside(row)} inside the lungs and {row['boxed']:.0%} in their "
        f"box (which cover {row['lung']:.0%} and {row['box']:.0%} of the film)"
        for name, row in rows.items()
    )
    more = rows["final"]["inside"] / rows[trust.REFERENCE]["inside"]
    return (
        f"Where pneumonia is called the maps lie: {told}. The final network's share is "
        f"{metrics.short(more, 2)} times CNN 5's."
    )


def ceiling(outlines: np.ndarray, fields: int = 8) -> np.ndarray:
    """The most that ``explain.inside`` can give where a map has so many fields a side, (n,)."""
    side, step = lungs.SIDE, lungs.SIDE // fields
    coarse = outlines.reshape(-1, fields, step, fields, step).mean(axis=(2, 4))
    return explain.inside(np.array([explain._resized(one, side, side) for one in coarse]), outlines)


def ceiling_told(films: pd.DataFrame) -> str:
    """How much a map as coarse as Grad-CAM's could have inside at best; ``films`` the packaged."""
    drawn = lungs.resized(lungs.masks(films)[1].astype(np.uint8) * 255, lungs.SIDE) > 127
    best = ceiling(drawn).mean()
    return (
        f"A map that is the drawn lungs themselves, seen in eight by eight fields, has {best:.0%} "
        "inside. So coarseness "
        f"{'explains' if best < trust.INSIDE else 'does not explain'} a share below "
        f"{trust.INSIDE:.0%}."
    )


def looks_told(table: pd.DataFrame) -> str:
    """How much of Grad-CAM lies in the lungs, against chance, CNN 5 and what was to be reached."""
    final, early = table.loc[("Grad-CAM", "final")], table.loc[("Grad-CAM", trust.REFERENCE)]
    ratio = final["inside"] / early["inside"]
    verdict = "reached" if final["inside"] >= trust.INSIDE and ratio >= trust.TIMES else "missed"
    other = (
        table.loc[("occlusion", "final"), "inside"]
        - table.loc[("occlusion", trust.REFERENCE), "inside"]
    )
    return (
        f"Of the final network's Grad-CAM {_inside(final)} lies inside the drawn lungs, "
        f"which cover {final['lung']:.0%} of the film: "
        f"{metrics.short(final['inside'] / final['lung'], 2)} times what a map without aim "
        f"would have. Of CNN 5's: {_inside(early)}, so the final network's "
        f"share is {metrics.short(ratio, 2)} times as large. At least {trust.INSIDE:.0%} and {trust.TIMES} "
        f"times was to be reached: {verdict}. By occlusion the final network has "
        f"{'more' if other > 0 else 'less'} inside than CNN 5 "
        f"({minus(f'{100 * other:+.1f}')} points)."
    )


def likeness_told(table: pd.DataFrame) -> str:
    """Whether the maps depend on what was learnt."""
    last = table.loc["all"]
    told = " and ".join(f"{title} {metrics.short(value, 2)}" for title, value in last.items())
    verdict = (
        "So the maps show what was learnt, not merely what the film looks like"
        if last.abs().max() < 0.5
        else "So a good part of the maps is the film's own edges: read them with care"
    )
    return (
        f"With all weights fresh the rank correlation with the trained network's map is {told}; 1 "
        f"would mean that training does not matter to the map. {verdict}."
    )


def _inside(row: pd.Series) -> str:
    return tables.percent(row.rename({"inside": "value"}))
