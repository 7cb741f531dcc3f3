"""The first slides of presentation.pdf: the problem, the films, the networks, the surprise, why.

Every number of the study comes from the record or is computed here from the films; the WHO's
figures are cited.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers import config
from helpers.data import dataset, manifest
from helpers.evaluation import metrics
from helpers.experiments import shift
from helpers.plotting import data, results
from helpers.report import deck, scenes, tables
from helpers.report.deck import FILMS, IDEAS, PLAIN, RECORD, Story
from helpers.report.layout import (
    GREY,
    HEIGHT,
    INNER,
    LEAST,
    MARGIN,
    WIDTH,
    blank,
    enlarge,
    illustrated,
    put,
    put_table,
    room,
)
from helpers.shortcuts import acquisition

WHO = "Source: WHO, Pneumonia in children, who.int/news-room/fact-sheets/detail/pneumonia"


def opening(told: Story) -> Figure:
    """The recorded result, a dot a test film."""
    title = "Pneumonia on children's chest films: what a network finds, and how far to trust it"
    page = blank(title, RECORD, size=34)
    put(page, "A first talk for the board. This is a study of method.", 1.75, color=GREY)
    test, scores = told.after[told.final], told.last.scores("test")
    top = 2.6
    for metric, words in (
        ("sensitivity", "of the films of sick children are found,"),
        ("specificity", "of the films of healthy children left in peace"),
    ):
        top = put(page, tables.percent(test.loc[metric]), top, size=34, bold=True)
        top = put(page, words, top, width=6.2) + 0.3
    last = f"on {len(scores)} new films, at a threshold fixed beforehand."
    put(page, last, top, width=6)
    counts = metrics.confusion(scores, told.last.threshold)
    _called(page, counts.loc["PNEUMONIA", ["PNEUMONIA", "NORMAL"]], "PNEUMONIA", 6.9, "sick")
    _called(page, counts.loc["NORMAL", ["NORMAL", "PNEUMONIA"]], "NORMAL", 9.9, "healthy")
    put(page, "A dot is a new film; an open dot: wrongly called.", 6.25, 6.9, 6, size=16)
    return page


def _called(page: Figure, counts: pd.Series, label: str, left: float, words: str) -> None:
    """The test films of one class as dots, with their counts."""
    right, wrong = counts
    kinds = [(wrong, label, False), (right, label, True)]
    done = {"sick": ("found", "missed"), "healthy": ("in peace", "alarmed")}[words]
    put(page, f"{right + wrong} {words}", 2.35, left, size=18, bold=True)
    put(page, f"{right} {done[0]}, {wrong} {done[1]}", 2.7, left, size=16)
    scenes.dots(page, (left, 3.1, 2.5), kinds, columns=20)


def need(told: Story) -> Figure:
    """Why it matters, the two errors, and the rule that weighs them."""
    page = blank("Pneumonia kills more children than any other infection", WHO)
    for left, number, words in (
        (0.6, "740,180", "children under five died of it in 2019"),
        (4.9, "14%", "of all deaths of children under five"),
        (9.1, "22%", "of all deaths between one and five years"),
    ):
        put(page, number, 1.1, left, 4, size=44, bold=True)
        put(page, words, 1.95, left, 3.6, size=18)
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
    top = put_table(page, rows, columns, 2.95, last=config.INK)
    put(page, deck.rule_told(told.last), top + 0.2, color=config.ACCENT)
    return page


def films(told: Story) -> Figure:
    """Four films without pneumonia, four with it; how many there are."""
    table = told.films.table[told.part("training")].drop_duplicates("patient")
    chosen = pd.concat(
        table[table["subtype"] == subtype].sample(count, random_state=config.SEED)
        for subtype, count in zip(config.SUBTYPES, (4, 2, 2), strict=True)
    )
    page = data.films(told.pictures[chosen.index], list(chosen["subtype"]), list(chosen["label"]))
    plt.close(page)  # pyplot forgets it, the figure itself stays
    page.set_size_inches(WIDTH, HEIGHT)
    page.set_layout_engine("compressed", rect=(0.04, 0.1, 0.6, 0.72))
    enlarge(page)
    title = "Air is dark, fluid is grey; on many films the untrained eye cannot tell"
    blank(title, FILMS, page=page)
    left, top = 8.9, 1.65
    for words in ("Above, no pneumonia; below, pneumonia.", *_counted(manifest.read())):
        top = put(page, words, top, left, WIDTH - MARGIN - left) + 0.22
    return page


def _counted(table: pd.DataFrame) -> list[str]:
    """How many films of how many children, and how they were parted."""
    parts = table.drop_duplicates(["patient", "part"])["patient"].value_counts()
    across = int((parts > 1).sum())
    films = {part: f"{row['total']:,.0f}" for part, row in manifest.counts(table).iterrows()}
    return [
        f"{len(table):,} films of {len(parts):,} children of one to five years, one hospital.",
        f"{films['training']} to learn from, {films['validation']} held back to choose by "
        f"(validation), {films['test']} new ones to judge by (test): a later batch.",
        f"{across or 'No'} child{'ren stand' if across > 1 else ' stands'} in two parts.",
    ]


def edge(told: Story) -> Figure:
    """Mean films, and what the outermost pixels give away."""
    judged = acquisition.edge_scores(*dataset.load(told.films, size=32))
    area = metrics.estimate(judged, threshold=0.5).loc["AUROC"]
    title = (
        f"The edge of a film, no lung in it, ranks {100 * area['value']:.0f} of 100 pairs of a "
        "sick and a healthy child rightly"
        if area["low"] > 0.75
        else "The edge of a film, no lung in it, gives little away"
    )
    page, part = illustrated(
        title,
        FILMS,
        f"Ranking, here {deck.pairs(area)}: how often the sick child's film gets the higher score; "
        "50 is guessing (AUROC, as a share). Posture, markers and tone differ between sick and "
        "healthy: a network can learn the apparatus instead of the lung.",
        height=4.1,
        size=18,
    )
    seen = told.part("training")
    data.mean_films(told.pictures[seen], told.sick[seen], part.subplots(1, 3))
    enlarge(part)
    return page


def networks(told: Story) -> Figure:
    """A row a network: its idea, its size, its ranking on validation films."""
    area = {title: told.before[title].loc["AUROC"] for title in told.results}
    reached = [area[title]["value"] for title in told.trained]
    low, high = (metrics.short(value) for value in (min(reached), max(reached)))
    lead = "rank nearly alike" if np.ptp(reached) < 0.02 else "rank"
    page = blank(
        f"{len(told.trained)} networks, one idea more each time; on held-back films they {lead}, "
        f"{low} to {high}",
        RECORD,
    )
    rows = [("network", "its idea", "parameters", "ranking (AUROC)")]
    for title, result in told.results.items():
        size = f"{result.record.facts['parameters']:,}"
        rows.append((title, IDEAS[result.recipe.name], size, tables.share(area[title])))
    top = put_table(page, rows, ((MARGIN, 1.7), (2.3, 6.1), (8.5, 1.7), (10.3, 2.5)), 1.5)
    put(page, _alike(told, area), top + 0.15)
    return page


def _alike(told: Story, area: Mapping[str, pd.Series]) -> str:
    """How many networks the validation films cannot tell from the best one."""
    held = len(told.last.scores("validation"))
    best = max(told.trained, key=lambda title: area[title]["value"])
    others = [title for title in told.trained if title != best]
    close = sum(area[title]["high"] >= area[best]["low"] for title in others)
    return (
        f"On {held:,} held-back films; 1.000: all pairs in the right order. The intervals of "
        f"{close} of the other {len(others)} networks overlap with that of the best, {best}."
    )


def two_batches(told: Story) -> Figure:
    """Validation against test."""
    before, after = ({n: part[n] for n in told.trained} for part in (told.before, told.after))
    below = sum(deck.fell(before[name], after[name]) for name in told.trained)
    page, part = illustrated(
        f"The surprise: {below} of {len(after)} networks alarm more healthy children on new films "
        "than held-back films promised",
        RECORD,
        deck.gap_told(told),
        height=4.45,
    )
    axes = results.validation_against_test(before, after, axes=part.subplots(1, 3))
    axes[0].get_legend().remove()
    for ax, metric in zip(axes, ("AUROC", "sensitivity", "specificity"), strict=True):
        ax.set_title(ax.get_title(loc="center").replace(metric, PLAIN[metric]), loc="center")
        ax.set_xticks([0, 1], ["held-back", "new films"])
    drawn = axes[0].get_legend_handles_labels()
    part.legend(*drawn, loc="outside lower center", ncols=-(-len(before) // 2))
    enlarge(part)
    return page


def cause(told: Story) -> Figure:
    """The groups of apparatus, and what can be said without a lung."""
    groups = shift.groups(shift.films())
    low, high = groups["pneumonia"].min(), groups["pneumonia"].max()
    words = (deck.blind_told(shift.background_evidence(shift.films())), deck.explained_told(told))
    page, part = illustrated(
        "A cause: several X-ray machines, and the machine goes with the disease: "
        f"{low:.0%} to {high:.0%} sick",
        FILMS,
        " ".join(words),
        height=4.15,
        size=18,
    )
    scenes.montage(part, told, groups)
    legend = (
        "grouped by letters, margins and tone; blue: healthy, orange: sick, in the groups' shares"
    )
    part.supxlabel(legend, fontsize=LEAST)
    enlarge(part)
    return page


def helped(told: Story) -> Figure:
    """What cutting out the lungs brought, and that validation did not show it."""
    row = shift.compare_views(told.last).loc["AUROC"]
    gained = tables.clear(row) and row["value"] > 0
    members = shift.members(told.last)
    page = blank(
        f"What helped on new films: to cut the film to the lungs ({tables.signed(row)} in ranking)"
        if gained
        else "To cut the film to the lungs brought no gain that new films could show",
        RECORD,
    )
    pair = room(page, 1.5, 4.2, width=2.4)
    scenes.member_views(pair.subplots(2, 1), told)
    part = room(page, 1.5, 4.2, left=3.2, width=INNER - 2.6)
    scenes.members(part, members)
    for drawn in (pair, part):
        enlarge(drawn)
    put(page, deck.helped_told(members), 5.8, size=18, color=config.ACCENT)
    return page
