"""presentation.pdf: the study as a talk for a hospital's board, one message a slide.

The first slides are ``prelude``'s; here the result and what it means, and the file itself. Every
number comes from the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from helpers import config, storage
from helpers.evaluation import decisions, metrics
from helpers.experiments import shift, trust_tables
from helpers.plotting import results
from helpers.report import deck, prelude, scenes, tables
from helpers.report.deck import PLAIN, RECORD, Story, story
from helpers.report.layout import (
    FOOT,
    GREY,
    HEIGHT,
    INNER,
    LEAST,
    MARGIN,
    RC,
    WIDTH,
    blank,
    enlarge,
    illustrated,
    put,
    put_list,
    settle,
)
from helpers.training import record

PEERS = "Source: data/peers.csv, which says where each figure is from; ours: the recorded study"


def outcome(told: Story) -> Figure:
    """All networks on the test films, against what was to be reached."""
    after = {name: told.after[name] for name in told.trained}
    best = max(after, key=lambda name: after[name].loc["AUROC", "value"])
    lead = f"{best} ranks best but" if best == told.final else f"{best} ranks best; {told.final}"
    met = deck.verdicts(after[told.final])
    missed = [PLAIN[metric] for metric, word in met.items() if word == "missed"]
    page, part = illustrated(
        f"The result on new films: {lead} misses {len(missed) or 'none'} of {len(met)} targets"
        f"{': ' * bool(missed)}{', '.join(missed)}",
        RECORD,
        f"{deck.errors_told(told)} {deck.foreknown_told()}",
        height=4.35,
        size=18,
    )
    for ax in results.comparison(after, tuple(PLAIN), axes=part.subplots(1, 4, sharey=True)):
        _aimed(ax, met)
    part.supxlabel("dashed: the target, fixed beforehand; bars: 95% intervals", fontsize=LEAST)
    enlarge(part)
    return page


def _aimed(ax: plt.Axes, met: Mapping[str, str]) -> None:
    """Mark a panel's target, and leave room for large numbers."""
    metric = ax.get_title(loc="center")
    must, _ = shift.TARGETS[metric]
    ax.axvline(must, color=config.INK, ls="--", lw=1.2)
    ax.set_title(f"{PLAIN[metric]}\n{metrics.short(must)} {met[metric]}", loc="center")
    left, right = ax.get_xlim()
    ax.set_xlim(left - (right - left) / 9, right + (right - left) / 9)
    ax.locator_params(axis="x", nbins=3)


def peers(told: Story) -> Figure:
    """What others report on the same films."""
    ours, theirs = told.after[told.final], pd.read_csv(config.PEERS)
    left_out = max(0, len(theirs) - scenes.MOST)
    page, part = illustrated(
        deck.standing(ours, theirs),
        PEERS + f" (it lists {left_out} more)" * bool(left_out),
        f"{deck.standing_counts(ours, theirs)} Green: our 95% intervals; the others give none. "
        "Some chose on these very films, which flatters.",
        height=4.65,
        size=16,
    )
    scenes.peers(part, ours, theirs)
    enlarge(part)
    return page


def fails(told: Story) -> Figure:
    """Whom it fails: by subtype and by apparatus."""
    table = shift.errors(told.last.scores("test"), told.last.threshold)
    table = scenes.kinds(table[table.index.get_level_values("by") != "series"])
    enough = table[table["films"] >= 20]
    worst = enough["value"].idxmin()
    row = enough.loc[worst]
    whom, *group = scenes.kind_told(worst[1]).removesuffix(", all").split(", ")
    page, part = illustrated(
        f"It fails the {whom}{', above all ' * bool(group)}{' '.join(group)}: {row['value']:.0%} "
        f"of {row['films']:.0f} films called rightly",
        RECORD,
        f"{tables.percent(row)}, the lowest of all kinds with at least 20 films. Few films each: "
        "read the bars, not the dots alone.",
        height=4.5,
        size=18,
    )
    scenes.failing(part.subplots(), table)
    enlarge(part)
    return page


def looks(told: Story) -> Figure:
    """Where it looks, and how much of that lies in the lungs."""
    measured = trust_tables.maps()
    inside = trust_tables.maps_in_lungs(measured).loc[("Grad-CAM", "final"), "inside"]
    page, part = illustrated(
        f"Where it looks: {inside:.0%} inside lungs drawn by people, {trust_tables.INSIDE:.0%} was "
        f"to be reached: {'reached' if deck.looks_met(measured) else 'missed'}",
        "Bright: what spoke for the call (Grad-CAM); blue: the lungs, as a network found them. "
        "Films: Kermany et al. 2018, CC BY 4.0",
        deck.looks_told(measured),
        height=3.95,
        size=18,
    )
    scenes.maps(part, told)
    enlarge(part)
    return page


def thousand(told: Story) -> Figure:
    """What the operating points would mean for a thousand children, a dot a child."""
    final, stakes = told.last, decisions.ASSUMED
    cuts = {f"our rule, {final.threshold:.2f}": final.threshold, "a half, 0.50": 0.5}
    tables = {name: deck.thousand(final.scores("test"), cut, stakes) for name, cut in cuts.items()}
    ours, half = tables.values()
    tables["call everybody"] = deck.everybody(stakes)
    page = blank(
        f"Of a thousand children, {1000 * stakes.prevalence:.0f} of them sick, it would miss "
        f"about {ours.loc['missed', 'value']:.0f} and alarm {ours.loc['alarmed', 'value']:.0f} for "
        "nothing",
        f"{RECORD}. A miss at {stakes.miss:,.0f} USD (assumed),\nan alarm at {stakes.alarm:g} USD "
        f"(Zhang et al. 2016); {stakes.prevalence:.0%} sick: assumed. Rates of the test films. "
        "A dot is a child; open: wrongly called",
    )
    for place, (name, table) in enumerate(tables.items()):
        _children(page, MARGIN + 4.15 * place, name, table, stakes)
    put(page, deck.rule_stands(ours, half), 5.55, size=18, color=config.ACCENT)
    return page


def _children(
    page: Figure, left: float, name: str, table: pd.DataFrame, stakes: decisions.Stakes
) -> None:
    """A thousand children as dots, with what becomes of them."""
    sick = round(1000 * stakes.prevalence)
    missed, alarmed = (round(table.loc[kind, "value"]) for kind in ("missed", "alarmed"))
    kinds = [(missed, "PNEUMONIA", False), (sick - missed, "PNEUMONIA", True)]
    kinds += [(alarmed, "NORMAL", False), (1000 - sick - alarmed, "NORMAL", True)]
    put(page, name, 1.4, left, bold=True)
    top = scenes.dots(page, (left, 1.85, 3.75), kinds, columns=40) + 0.08
    for kind, words in (("missed", "{} sick missed"), ("alarmed", "{} healthy alarmed")):
        row = table.loc[kind]
        limits = f" [{row['low']:.0f}, {row['high']:.0f}]" if row["low"] < row["high"] else ""
        top = put(page, words.format(f"{row['value']:.0f}{limits}"), top, left, 4, size=16)
    low, value, high = (f"{table.loc['cost', key]:,.0f}" for key in ("low", "value", "high"))
    limits = f" [{low}, {high}]" if low != high else ""
    put(page, f"{value} USD{limits}", top, left, 4, size=16)


def limits(told: Story) -> Figure:
    """What must not be concluded, and what follows."""
    page = blank("It must not decide on a child: limits, and what comes next", RECORD)
    half = INNER / 2 - 0.2
    right, points = MARGIN + half + 0.4, _limits(told)
    for left, head in ((MARGIN, "Limits"), (right, "Next steps")):
        put(page, head, 1.15, left, bold=True, color=config.ACCENT)
    put_list(page, points, 1.65, "–" * len(points), width=half, size=18)
    put_list(page, steps(told), 1.65, "1234", right, half, size=18)
    return page


def _limits(told: Story) -> tuple[str, ...]:
    before, after = (part[told.final].loc["specificity"] for part in (told.before, told.after))
    curves = decisions.referral_curve(
        told.last.scores("test"),
        told.last.threshold,
        decisions.certainty(told.last.scores("test"), told.last.threshold),
    )
    return (
        "A study of method on one hospital's films: nothing here tells how it does elsewhere.",
        f"Of the healthy {tables.percent(before)} are left in peace on held-back films, "
        f"{tables.percent(after)} on new ones: "
        + ("a fall beyond chance." if told.fallen else "no fall beyond chance."),
        f"With the {trust_tables.REFERRED:.0%} it is least sure of sent to a radiologist, "
        f"{tables.percent(curves.loc[trust_tables.REFERRED])} of the rest are right; "
        f"{trust_tables.DECIDED:.0%} was to be reached.",
        "Its labels are readings of films, not the course of a disease; other illnesses of the "
        "chest it has never seen.",
        f"{told.last.scores('test')['y'].mean():.0%} of the new films show pneumonia, far more "
        "than in any clinic.",
    )


def steps(told: Story) -> tuple[str, ...]:
    """What comes next."""
    why = (
        "Find out why new films bring more false alarms: their margins explain part of it only."
        if told.fallen
        else "See whether this holds on films from elsewhere."
    )
    return (
        why,
        "Get films on which the apparatus tells nothing: healthy and sick children from the same "
        "room. No weighing of films replaces them.",
        "Set the threshold anew where it is to be used: held-back films of the same batch do not "
        "tell it.",
        "Before any use: test it on this hospital's own films, read by radiologists who do not see "
        "its answer.",
    )


SLIDES = (
    prelude.opening,
    prelude.need,
    prelude.films,
    prelude.edge,
    prelude.networks,
    prelude.two_batches,
    prelude.cause,
    prelude.helped,
    outcome,
    peers,
    fails,
    looks,
    thousand,
    limits,
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
    with plt.rc_context(RC), storage.whole(path) as part, PdfPages(part, metadata=facts) as pdf:
        for page in draw(results):
            pdf.savefig(page)
    return path
