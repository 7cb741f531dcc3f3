"""README, model card and docs (from ``templates/``: words by hand, numbers recorded), images/.

A template's ``holds(condition, sentence)`` stops the rendering where the record no longer bears
the sentence out: then a person writes it anew. The slides fill in the same facts.
"""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from helpers import config, plotting, predict, storage
from helpers.data import dataset, manifest
from helpers.evaluation import calibration, decisions, metrics
from helpers.experiments import elsewhere, shift, trials, trust
from helpers.models import input_check, lungs
from helpers.report import claims, console, tables
from helpers.shortcuts import acquisition
from helpers.training import recipes, record
from helpers.training.study import Result, Study

TEMPLATES = Path(__file__).parent / "templates"
STORY = "Validation promised more than the test set kept"
PAGES = ("README.md", "MODEL_CARD.md")
PAGES += tuple(f"docs/{name}.md" for name in ("results", "peers", "performance", "scale"))


def facts(results: Path = config.RESULTS) -> dict[str, Any]:
    """What pages and slides fill in: estimates (value, low, high), tables, counts by name."""
    record_of, films = Study(results=results), manifest.read()
    study, earlier = record_of.run_all(), {n: record_of.recorded(n) for n in recipes.PAST}
    ledger = record.openings(results).assign(date=lambda rows: pd.to_datetime(rows["date"]))
    opened = ledger.groupby("recipe_digest")["date"].min()
    networks = {name: _network(result) for name, result in study.items()}
    return {
        "record": record.state(results),
        "networks": networks,
        "fall": pd.DataFrame({name: of["specificity"] for name, of in networks.items()}).T,
        "opened": {name: opened[result.recipe.digest()] for name, result in study.items()},
        "earlier": {
            name: {"title": of.recipe.title} | {p: of.estimate(p) for p in ("validation", "test")}
            for name, of in earlier.items()
        },
        "first_cut": shift.FIRST_THRESHOLD,
        "past": earlier["first_version"].estimate("test", shift.FIRST_THRESHOLD),
        "scorings": len(ledger),
        "seconds": [s for r in study.values() for s in r.record.facts["training_seconds"].values()],
        "parts": manifest.counts(films),
        "children": films["patient"].nunique(),
        "packaged": dataset.packaged(),
        "peers": pd.read_csv(config.PEERS),
        "published": pd.read_csv(config.PEERS.with_name("published.csv")),
        "explained": tables.explained(study),
        "segmenter": record.read_facts(results, lungs.NAME),
        "measured": json.loads((results / "benchmark.json").read_text("utf-8")),
        "away": (judged := elsewhere.judged(away := elsewhere.read(results))),
        "abroad": judged.loc["all", "AUROC"],
        "aside": elsewhere.set_aside(away),
        **_judged(study["final"]),
        **_shift(films, study["final"], results),
    }


def _network(result: Result) -> dict[str, Any]:
    """A network's facts, and its estimates at both operating points by part of the films."""
    found = {part: result.estimate(part) for part in ("validation", "test")}
    return {
        "title": result.recipe.title,
        **result.record.facts,
        "rule": result.recipe.recall_first,
        "unseen": result.recipe.unseen,
        "recall_first": result.recall_first,
        **found,
        "recalled": {part: result.estimate(part, result.recall_first) for part in found},
        "specificity": {part: of.loc["specificity", "value"] for part, of in found.items()},
    }


def _judged(final: Result) -> dict[str, Any]:
    """The final network at each operating point (by its name), and how far it can be trusted."""
    scores = {final.recipe.unseen: final.unseen, "test": final.scores("test")}
    cuts = {"0.5": final.threshold, "recall-first": final.recall_first}
    band = decisions.referral_band(final.unseen).reaching(final.threshold)
    check = record.read_facts(config.RESULTS, input_check.NAME)
    return {
        "recipe": final.recipe,
        "cuts": cuts,
        "counts": metrics.confusion(scores["test"], final.threshold),
        "targets": tables.targets(final),
        "steadiness": tables.steadiness(),
        "errors": shift.errors(scores["test"], final.threshold).reset_index(names=["by", "kind"]),
        "worth": decisions.predictive_values(scores["test"], final.threshold),
        "stakes": vars(decisions.ASSUMED),
        "brier": calibration.calibration_table(scores),
        "band": band,
        "decided": decisions.referral_outcome(scores["test"], band),
        "rest": tables.referred(final),
        "broken": trust.robustness("final")["AUROC"],
        "stability": (steady := trust.stability()),
        "edge": steady["moved"].filter(like="2%").max(),
        "ablations": (needed := trust.ablations()),
        "blind": needed.loc["lungs blacked out", (final.recipe.title, "AUROC")],
        "check": check,
        "refused": input_check.refusal_table(check),
    }


def _shift(films: pd.DataFrame, final: Result, results: Path) -> dict[str, Any]:
    """What acquisition groups give away, and what a group held out shows of the candidates."""
    known, said = acquisition.read(results), shift.held_out(results)
    validation = films[films["part"] == "validation"]
    margin = validation.assign(probability=validation["film"].map(known["margin"]))
    choice, titles = shift.choice(results), {n: of.title for n, of in trials.CANDIDATES.items()}
    said = said[said["candidate"] == (judged := shift.chosen(choice))]
    rules = shift.rules(shift.called(said))
    same = said[said["film"].isin(validation["film"])]
    return {
        "groups": shift.groups(shift.films())["pneumonia"],
        "margin": metrics.estimate(margin, 0.5).loc["AUROC"],
        "choice": choice.rename(titles),
        "judged": titles[judged],
        "on_test": shift.on_test_films(results).rename(titles),
        "doubts": shift.doubtful_by_kind(final.unseen),
        "rules": rules,
        "seen": shift.rules(shift.called(same, trials.SOURCE))["pooled"],
        "unseen": shift.rules(shift.called(same))["pooled"],
        "best": shift.recall_first(rules),
        "least": shift.FOUND,
    }


def printed() -> str:
    """What ``predict`` prints of a film that everybody has, and of a picture that is no film."""
    film, other = predict.example(), config.IMAGES / "Story.png"
    shown = {film: f"…/{film.name}", other: f"images/{other.name}"}
    answers = zip(predict.predictor().answers(list(shown)), shown.values(), strict=True)
    lines = [console.line(dataclasses.replace(answer, path=path)) for answer, path in answers]
    return "\n".join([console.HEAD, *lines])


def page(name: str, found: dict[str, Any]) -> str:
    """One page, filled in from ``facts``; a name that the template lacks is an error."""
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.do"],
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for function in (tables.percent, tables.share, metrics.short):
        pages.filters[function.__name__] = function
    forms = {"whole": "{:,.0f}", "points": "{:.1%}", "percents": "{:.0%}"}
    pages.filters |= {name: form.format for name, form in forms.items()}
    return pages.get_template(f"{name}.j2").render(found, holds=claims.check)


def write(root: Path = config.ROOT) -> list[Path]:
    """Render every page into ``root``; nothing is written unless all of them could be."""
    found = facts() | {"example": predict.example().name, "printed": printed()}
    texts = {root / name: page(name, found) for name in PAGES}
    for path, text in texts.items():
        storage.write_text(path, text)
    return list(texts)


def _figures() -> Iterator[Figure]:
    """Each of PICTURES; RecordError or FilmError where something is missing."""
    films, pictures = dataset.load(dataset.packaged(), config.SOURCE_SIZE)
    seen = films.table["part"] == "training"
    for label in config.LABELS:
        yield plotting.data.examples(films.table[seen], pictures[seen], label)[0].figure
    found = [result for result in Study().run_all().values() if result.recipe.epochs]
    before, after = (
        {result.recipe.title: result.estimate(part) for result in found}
        for part in ("validation", "test")
    )
    yield plotting.results.validation_against_test(before, after)[0].figure
    yield plotting.results.story(before, after, STORY)[0].figure


PICTURES = "Normal_lungs", "Pneumonia_lungs", "Validation_and_test", "Story"


def write_images(folder: Path = config.IMAGES) -> list[Path]:
    """Draw every picture into ``folder``."""
    plotting.style.use_style()
    # Without matplotlib's version: equal figures, equal bytes. A test reads the digest.
    facts = {"Software": None, "Source": f"record {record.state(config.RESULTS)}"}
    paths = [folder / f"{name}.png" for name in PICTURES]
    for path, figure in zip(paths, _figures(), strict=True):
        with storage.whole(path) as part:
            figure.savefig(part, dpi=130, metadata=facts)
        plt.close(figure)
    return paths
