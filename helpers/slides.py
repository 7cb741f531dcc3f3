"""presentation.pdf: the study as a talk for a hospital's board, one message a slide.

Every number of the study comes from the record or is computed here from the films; the WHO's
figures are cited.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from helpers import (
    attention,
    charts,
    config,
    costs,
    dataset,
    evaluation,
    evidence,
    files,
    manifest,
    plotting,
    record,
    referral,
    reliance,
    shortcuts,
    telling,
    trust,
    verdict,
)
from helpers.layout import (
    BODY,
    FOOT,
    GREY,
    HEIGHT,
    MARGIN,
    RC,
    WIDTH,
    blank,
    enlarge,
    hundred,
    illustrated,
    put,
    put_list,
    put_table,
    settle,
)
from helpers.study import Result, Study

FILMS = "Films: Kermany, Zhang and Goldbaum 2018, doi 10.17632/rscbjbr9sj.2, CC BY 4.0"
RECORD = (
    "Source: the recorded study, data/results; in brackets 95% intervals (bootstrap over patients)"
)
WHO = "Source: WHO, Pneumonia in children, who.int/news-room/fact-sheets/detail/pneumonia"

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


def opening(told: Story) -> Figure:
    """The recorded headline."""
    title = "Pneumonia on children's chest films: what a network finds, and how far to trust it"
    page = blank(title, RECORD, size=34)
    put(page, "A first talk for the board. This is a study of method.", 1.75, color=GREY)
    headline = telling.headline(told.results[told.final]).replace("**", "")
    *result, meaning = re.split(r"(?<=\.) (?=[A-Z])", headline)
    top = put(page, meaning, 2.55, width=7.2, size=24, color=config.ACCENT)
    put(page, " ".join(result), top + 0.3, width=7.2, size=18)
    # An error is never rounded away.
    exact = (1 - told.after[told.final]["value"]).mul(100)
    wrong = exact.round().where((exact == 0) | (exact >= 0.5), 1)
    for left, label, metric, words in (
        (8.4, "PNEUMONIA", "sensitivity", "of 100 sick:\n{:.0f} found,\n{:.0f} missed"),
        (10.7, "NORMAL", "specificity", "of 100 healthy:\n{:.0f} left alone,\n{:.0f} alarmed"),
    ):
        hundred(page, left, wrong[metric], label, words)
    return page


def need(told: Story) -> Figure:
    """Why it matters, and the two errors."""
    page = blank("Pneumonia kills more children than any other infection", WHO)
    for left, number, words in (
        (0.6, "740,180", "children under five died of it in 2019"),
        (4.9, "14%", "of all deaths of children under five"),
        (9.1, "22%", "of all deaths between one and five years"),
    ):
        put(page, number, 1.25, left, 4, size=48, bold=True)
        put(page, words, 2.2, left, 3.6)
    rows = [
        ("error of a network", "what happens", "who pays"),
        ("miss", "a sick child is sent home untreated", "the child, with health or life"),
        (
            "false alarm",
            "a healthy child gets antibiotics, a bed, a further film",
            "the family and the hospital; everybody, by resistance to antibiotics",
        ),
    ]
    columns = ((MARGIN, 2.9), (3.6, 4.6), (8.3, 4.4))
    top = put_table(page, rows, columns, 3.35, BODY, last=config.INK)
    rule = (
        f"So the rule was fixed beforehand: find {config.TARGET_SENSITIVITY:.0%} of the sick and, "
        "that given, alarm as few healthy children as can be."
    )
    put(page, rule, top + 0.2, size=22, color=config.ACCENT)
    return page


def films(told: Story) -> Figure:
    """Four films without pneumonia, four with it."""
    table = told.films.table[told.part("training")].drop_duplicates("patient")
    chosen = pd.concat(
        table[table["subtype"] == subtype].sample(count, random_state=config.SEED)
        for subtype, count in zip(config.SUBTYPES, (4, 2, 2), strict=True)
    )
    page = plotting.films(
        told.pictures[chosen.index], list(chosen["subtype"]), list(chosen["label"])
    )
    plt.close(page)  # pyplot forgets it, the figure itself stays
    page.set_size_inches(WIDTH, HEIGHT)
    page.set_layout_engine("compressed", rect=(0.04, 0.1, 0.64, 0.72))
    enlarge(page)
    title = "Air is dark, fluid is grey; on many films the untrained eye cannot tell"
    blank(title, FILMS, page=page)
    left, top = 9.5, 1.75
    for words in (
        "Above, no pneumonia: dark lungs; ribs, heart and diaphragm with sharp edges.",
        "Below, pneumonia: where air gave way to fluid, the lung turns grey or white.",
        "Even radiologists disagree, and in most of the world there are too few of them.",
    ):
        top = put(page, words, top, left, WIDTH - MARGIN - left) + 0.25
    return page


def data(told: Story) -> Figure:
    """How many films of how many children, and the split."""
    table = manifest.read()
    parts = table.drop_duplicates(["patient", "part"])["patient"].value_counts()
    across = int((parts > 1).sum())
    page, part = illustrated(
        f"{len(table):,} films of {len(parts):,} children, of whom {across or 'none'} stand in "
        "more than one part",
        FILMS,
        telling.split(table),
        height=3.4,
    )
    ax = plotting.class_balance(manifest.counts(table), part.subplots())
    ax.get_legend().remove()
    part.legend(*ax.get_legend_handles_labels(), loc="outside right center")
    enlarge(part)
    return page


def edge(told: Story) -> Figure:
    """Mean films, and what the outermost pixels give away."""
    judged = shortcuts.edge_scores(*dataset.load(told.films, size=32))
    area = evaluation.estimate(judged, threshold=0.5).loc["AUROC"]
    verdict = "already tells sick from healthy" if area["low"] > 0.75 else "gives little away"
    page, part = illustrated(
        f"The edge of a film, no lung in it, {verdict}: AUROC {telling.share(area, 2)}",
        FILMS,
        "Did the classes differ by the disease alone, the right picture would be blank outside the "
        "lungs. Posture, markers and tone differ too: a network can learn the apparatus instead of "
        "the lung, and validation films from the same apparatus cannot notice.",
        height=3.9,
    )
    seen = told.part("training")
    plotting.mean_films(told.pictures[seen], told.sick[seen], part.subplots(1, 3))
    enlarge(part)
    return page


def networks(told: Story) -> Figure:
    """A row a network: its idea, its size, its AUROC on validation films."""
    area = {title: told.before[title].loc["AUROC"] for title in told.results}
    best = max(told.trained, key=lambda title: area[title]["value"])
    page = blank(
        f"{len(told.trained)} networks, one idea more each time: on validation films {best} has "
        "the highest AUROC",
        RECORD,
    )
    rows = [("network", "its idea", "parameters", "AUROC")]
    for title, result in told.results.items():
        size = f"{result.record.facts['parameters']:,}"
        rows.append((title, IDEAS[result.recipe.name], size, telling.share(area[title])))
    top = put_table(page, rows, ((MARGIN, 1.4), (2.0, 6), (8.0, 1.8), (9.9, 2.9)), 1.6)
    put(
        page,
        "AUROC: the chance that a film with pneumonia gets a higher score than one without; here "
        f"on {len(told.results[best].scores('validation')):,} validation films.",
        top + 0.15,
        size=18,
    )
    return page


def span(estimates: Mapping[str, pd.DataFrame]) -> float:
    """How far the best network's AUROC lies from the worst one's."""
    return np.ptp([table.loc["AUROC", "value"] for table in estimates.values()])


def two_batches(told: Story) -> Figure:
    """Validation against test."""
    before, after = ({n: part[n] for n in told.trained} for part in (told.before, told.after))
    narrow, wide = span(before), span(after)
    lead = (
        "Validation hardly tells the networks apart, the test does"
        if 2 * narrow < wide
        else "Validation and test tell the networks apart alike"
    )
    page, part = illustrated(
        f"{lead}: AUROC spans {evaluation.short(narrow)} there, {evaluation.short(wide)} here",
        RECORD,
        telling.gap(before, after),
        height=4.1,
        size=18,
    )
    axes = plotting.validation_against_test(before, after, axes=part.subplots(1, 3))
    axes[0].get_legend().remove()
    drawn = axes[0].get_legend_handles_labels()
    part.legend(*drawn, loc="outside lower center", ncols=-(-len(before) // 2))
    enlarge(part)
    return page


def cure(told: Story) -> Figure:
    """What a network knows without lungs, and what cutting them out brings."""
    final = told.results[told.final]
    difference = verdict.views_apart(final)
    row = difference.loc["AUROC"]
    title = (
        "The cure: members that see the film cut to the lungs gain "
        f"{telling.signed(row)} on new films"
        if telling.clear(row) and row["value"] > 0
        else "To cut out the lungs brought no gain that new films could show"
    )
    page = blank(title, RECORD)
    top = put(page, evidence.witnesses_told(evidence.witnesses(evidence.films())), 1.4, size=18)
    rows = [("AUROC of each member", "validation films", "against the stereotype", "test films")]
    for member in verdict.members(final).itertuples(index=False):
        rows.append((f"sees {member[0]}", *(evaluation.short(value) for value in member[1:])))
    columns = ((MARGIN, 4.4), (5.2, 2.4), (7.8, 2.8), (10.7, 2.0))
    top = put_table(page, rows, columns, top + 0.35, BODY, last=config.INK)
    put(page, verdict.views_told(difference), top + 0.2, size=18, color=config.ACCENT)
    return page


def outcome(told: Story) -> Figure:
    """All networks on the test films."""
    scores, threshold = told.results[told.final].scores("test"), told.thresholds[told.final]
    counts = evaluation.confusion(scores, threshold)
    well, sick = counts.sum(axis=1)
    page, part = illustrated(
        telling.comparison_title(told.after),
        RECORD,
        f"The final network misses {counts.loc['PNEUMONIA', 'NORMAL']} of {sick} films with "
        f"pneumonia and raises {counts.loc['NORMAL', 'PNEUMONIA']} false alarms on {well} without. "
        + telling.subtypes(evaluation.by_subtype(scores, threshold)),
        height=4.2,
        size=18,
    )
    for ax in plotting.comparison(told.after, axes=part.subplots(1, 4, sharey=True)):
        left, right = ax.get_xlim()
        room = (right - left) / 12  # for the larger numbers
        ax.set_xlim(left - room, right + room)
    enlarge(part)
    return page


def trusted(told: Story) -> Figure:
    """What breaks the final network, where it looks, and what asking a radiologist brings."""
    final = told.results[told.final]
    lost = {title: reliance.loss(name) for name, title in trust.titles().items()}
    looks = attention.looks_by_call(attention.looks())
    scores, members = final.scores("test"), final.seeds("test")
    curves = {
        "distance from the operating point": referral.curve(
            scores, final.threshold, referral.certainty(scores, final.threshold)
        ),
        "agreement of the members": referral.curve(
            scores, final.threshold, referral.agreement(members.loc[scores["film"]])
        ),
    }
    last = lost[final.recipe.title]
    page, part = illustrated(
        f"Corrupted films cost it {last['value']:.1%} of its AUROC; a radiologist must still be "
        "asked",
        RECORD,
        attention.looks_by_call_told(looks),
        height=4.0,
        size=17,
    )
    charts.referral(curves, reliance.REFERRED, reliance.DECIDED, ax=part.subplots())
    enlarge(part)
    return page


def thousand(told: Story) -> Figure:
    """What the operating points would mean for a thousand children."""
    final, stakes = told.results[told.final], costs.ASSUMED
    test, blind = final.scores("test"), costs.blind(stakes)
    points = {
        f"our rule ({final.threshold:.2f})": costs.thousand(test, final.threshold),
        "a half (0.50)": costs.thousand(test, 0.5),
    }
    sick, well = round(1000 * stakes.prevalence), round(1000 * (1 - stakes.prevalence))
    everybody = {"found": sick, "missed": 0, "alarmed": well, "spared": 0}
    points["call everybody"] = everybody | {"cost": blind["call everybody"]}
    missed, alarmed = (
        points[f"our rule ({final.threshold:.2f})"][k] for k in ("missed", "alarmed")
    )
    page = blank(
        f"Of a thousand children, {sick} of them sick, it would miss {missed:.0f} and alarm "
        f"{alarmed:.0f} for nothing",
        f"{RECORD}. A miss at {stakes.miss:,.0f} USD (assumed), an alarm at {stakes.alarm:g} USD "
        "(Zhang et al. 2016)",
    )
    rows = [("threshold", "sick found", "sick missed", "healthy alarmed", "healthy spared", "USD")]
    for name, row in points.items():
        kinds = ("found", "missed", "alarmed", "spared")
        rows.append((name, *(f"{row[kind]:.0f}" for kind in kinds), f"{row['cost']:,.0f}"))
    columns = ((MARGIN, 3.0), *((left, 1.8) for left in (3.9, 5.7, 7.5, 9.6, 11.5)))
    top = put_table(page, rows, columns, 1.7, BODY, last=config.INK)
    caution = (
        f"Rates of the test films, carried over to a clinic where {stakes.prevalence:.0%} of the "
        "children are sick: that they hold there is assumed, not measured. Chapter 8 lets you put "
        "in your own numbers."
    )
    put(page, caution, top + 0.4, size=18)
    return page


def peers(told: Story) -> Figure:
    """What others report on the same films."""
    ours = told.after[told.final]
    low, high = ours.loc["AUROC", ["low", "high"]]
    theirs = pd.read_csv(config.PEERS)["AUROC"].dropna()
    above, below = int((theirs > high).sum()), int((theirs < low).sum())
    place = "at the top" if not above else "in the middle" if below else "at the bottom"
    page = blank(
        f"Among its peers our network stands {place}: {above or 'none'} of {len(theirs)} published "
        f"AUROCs above its interval, {below or 'none'} below",
        "Source: data/peers.csv, which cites each publication; ours: the recorded study, with 95% "
        "intervals",
    )
    table = telling.peers(ours)
    rows = [["on the test films (a dash: not reported)", *table.columns]]
    rows += [[who, *cells] for who, cells in zip(table.index, table.to_numpy(), strict=True)]
    rows[-1] = [cell.replace(" [", "\n[") for cell in rows[-1]]
    columns = [(MARGIN, 5.6), *((left, 1.5) for left in (6.3, 7.92, 9.54, 11.16))]
    top = put_table(page, rows, columns, 1.4, 16)
    caution = "We have no intervals of the others; some chose on these very films, which flatters."
    put(page, caution, top + 0.05, size=17)
    return page


def fallen(told: Story) -> bool:
    """Whether the final network's specificity falls from validation to test beyond chance."""
    before, after = (part[told.final].loc["specificity"] for part in (told.before, told.after))
    return bool(after["high"] < before["low"])


def limits(told: Story) -> Figure:
    """What must not be concluded."""
    before, after = (part[told.final].loc["specificity"] for part in (told.before, told.after))
    scores = told.results[told.final].scores("test")
    points = (
        "It must not decide on a child. At best it may one day say which film to read first.",
        "One hospital, children of one to five years, one view: nothing here tells how it does "
        "elsewhere.",
        "The labels are physicians' readings of the film, not the course of the disease; a child "
        "without pneumonia may have an illness that the network has never seen.",
        f"At the same threshold, specificity goes from {telling.percent(before)} on validation to "
        f"{telling.percent(after)} on test films: "
        + ("a fall beyond chance." if fallen(told) else "no fall beyond chance."),
        f"{scores['y'].mean():.0%} of the test films show pneumonia, far more than in any clinic; "
        "accuracy would differ there.",
    )
    page = blank("This is a study of method, not a medical device", RECORD)
    put_list(page, points, 1.4, signs="–" * len(points))
    return page


def steps(told: Story) -> Figure:
    """The answer so far and what follows from it."""
    title = (
        "Next: find out why new films bring more false alarms"
        if fallen(told)
        else "Next: see whether this holds on films from elsewhere"
    )
    page = blank(title, RECORD)
    answer = telling.conclusion(told.before, told.after)
    top = put(page, answer, 1.4, size=18, color=config.ACCENT)
    points = (
        "Get films on which the apparatus tells nothing: healthy and sick children from the same "
        "room. No weighing of films replaces them.",
        "Set the threshold and the calibration anew where it is to be used: validation films of "
        "the same batch do not tell them.",
        "Before any use: test it on this hospital's own films, read by radiologists who do not see "
        "its answer.",
    )
    put_list(page, points, top + 0.3, signs="123")
    return page


SLIDES = (
    opening,
    need,
    films,
    data,
    edge,
    networks,
    two_batches,
    cure,
    outcome,
    trusted,
    thousand,
    peers,
    limits,
    steps,
)


def draw(results: Path = config.RESULTS) -> list[Figure]:
    """All slides, numbered; to be drawn and saved under ``plt.rc_context(RC)``."""
    told = story(results)
    pages = [slide(told) for slide in SLIDES]
    for number, page in enumerate(pages, start=1):
        put(page, f"{number}", HEIGHT - 0.55, WIDTH - MARGIN - 0.2, size=FOOT, color=GREY)
        settle(page)
    return pages


def write(path: Path = config.SLIDES, results: Path = config.RESULTS) -> Path:
    """Write the slides; the same record and packages give the same bytes.

    Raises:
        RecordError: the study is not recorded under ``results``.
        FilmError: the packaged films are not installed.
    """
    # Neither date nor version, which would make each writing differ.
    facts = dict.fromkeys(("Creator", "Producer", "CreationDate"))
    facts["Title"] = "Pediatric pneumonia"
    facts["Keywords"] = f"record {record.state(results)}"  # a test asks whether it is stale
    with plt.rc_context(RC), files.whole(path) as part, PdfPages(part, metadata=facts) as pdf:
        for page in draw(results):
            pdf.savefig(page)
    return path
