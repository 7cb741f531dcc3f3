"""README.md, MODEL_CARD.md (from ``templates/``: words by hand, numbers from the record), images/.

A template's ``holds(condition, sentence)`` stops the rendering where the record no longer bears
the sentence out: then a person writes it anew. The slides fill in the same facts.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jinja2
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from helpers import config, plotting, predict, storage
from helpers.data import dataset, manifest
from helpers.evaluation import calibration, decisions, metrics
from helpers.experiments import shift, trust
from helpers.models import input_check, lungs
from helpers.report import console, tables
from helpers.shortcuts import acquisition
from helpers.training import record
from helpers.training.study import Result, Study

TEMPLATES = Path(__file__).parent / "templates"
PAGES = ("README.md", "MODEL_CARD.md")


def holds(claim: bool, sentence: str) -> None:
    """Stop where a claim does not hold; stands beside the sentence that makes it."""
    if not claim:
        raise RuntimeError(f"no longer true, write it anew: {sentence}")


def facts(results: Path = config.RESULTS) -> dict[str, Any]:
    """What pages and slides fill in: estimates (value, low, high), tables, counts by name."""
    study, films = Study(results=results).run_all(), manifest.read()
    ledger = record.openings(results).assign(date=lambda rows: pd.to_datetime(rows["date"]))
    opened = ledger.groupby("recipe_digest")["date"].min()
    return {
        "record": record.state(results),
        "networks": {
            name: {"title": result.recipe.title, **result.record.facts}
            | {part: result.estimate(part) for part in ("validation", "test")}
            for name, result in study.items()
        },
        "opened": {name: opened[result.recipe.digest()] for name, result in study.items()},
        "scorings": len(ledger),
        "seconds": [s for r in study.values() for s in r.record.facts["training_seconds"].values()],
        "wanted": config.TARGET_SENSITIVITY,
        "parts": manifest.counts(films),
        "children": films["patient"].nunique(),
        "packaged": dataset.packaged(),
        "peers": pd.read_csv(config.PEERS),
        "groups": shift.groups(shift.films())["pneumonia"],
        "evidence": shift.background_evidence(shift.films()),
        "explained": tables.explained(study),
        "segmenter": record.read_facts(results, lungs.NAME),
        "benchmark": json.loads((results / "benchmark.json").read_text("utf-8")).get("readme", []),
        **_judged(study["final"], study["residual"]),
        **_trusted(study["final"]),
    }


def _judged(final: Result, earlier: Result) -> dict[str, Any]:
    """The final network on the test films, by itself and beside the one before it."""
    test, cuts = final.scores("test"), (earlier.threshold, final.threshold)
    called = test["probability"] >= final.threshold
    margin = test["film"].map(acquisition.read()["margin"])
    return {
        "recipe": final.recipe,
        "threshold": final.threshold,
        "half": metrics.estimate(test, 0.5),
        "points": shift.operating_points(final),
        "counts": metrics.confusion(test, final.threshold),
        "called_sick": called.mean(),
        "misled": (margin > 0.5)[test["y"] == 0].groupby(called).mean(),
        "targets": tables.targets(final),
        "gained": metrics.compare(earlier.scores("test"), test, cuts),
        "crop": shift.compare_views(final).loc["AUROC"],
        "errors": shift.errors(test, final.threshold).reset_index(names=["by", "kind"]),
        "worth": decisions.predictive_values(test, final.threshold),
        "stakes": vars(decisions.ASSUMED),
        "costs": decisions.cost_curve(test, decisions.ASSUMED, [final.threshold, 0.5]),
    }


def _trusted(final: Result) -> dict[str, Any]:
    """Calibration, referral, corruptions, ablations, maps, and what the input check refuses."""
    band = decisions.referral_band(final.scores("validation"))
    drawn, found = (
        of(trust.maps()).rename(columns={"inside": "value"})
        for of in (trust.maps_in_lungs, trust.maps_by_call)
    )
    check = record.read_facts(config.RESULTS, input_check.NAME)
    scores = {part: final.scores(part) for part in ("validation", "test")}
    return {
        "brier": calibration.calibration_table(calibration.versions(*scores.values()))["Brier"],
        "band": band,
        "decided": {p: decisions.referral_outcome(of, band) for p, of in scores.items()},
        "rest": tables.referred(final),
        "lost": {name: trust.loss(name) for name in (trust.REFERENCE, "final")},
        "broken": trust.robustness("final", final.threshold)["AUROC"],
        "ablations": trust.ablations(),
        "inside": drawn.loc["Grad-CAM"],
        "occluded": drawn.loc["occlusion"],
        "called": found.xs("pneumonia", level="call"),
        "check": check,
        "refused": input_check.refusal_table(check),
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
    for function in (tables.percent, tables.share, tables.signed, tables.plus, metrics.short):
        pages.filters[function.__name__] = function
    pages.filters |= {"whole": "{:,.0f}".format, "points": "{:.1%}".format}
    return pages.get_template(f"{name}.j2").render(found, holds=holds)


def write(root: Path = config.ROOT) -> list[Path]:
    """Render every page into ``root``; nothing is written unless all of them could be."""
    found = facts() | {"example": predict.example().name, "printed": printed()}
    texts = {root / name: page(name, found) for name in PAGES}
    for path, text in texts.items():
        storage.write_text(path, text)
    return list(texts)


def _films(label: str) -> Figure:
    films, pictures = dataset.load(dataset.packaged(), config.SOURCE_SIZE)
    seen = films.table["part"] == "training"
    return plotting.data.examples(films.table[seen], pictures[seen], label)[0].figure


def _estimates(*parts: str) -> list[dict[str, pd.DataFrame]]:
    found = [result for result in Study().run_all().values() if result.recipe.epochs]
    parts = parts or ("validation", "test")
    return [{result.recipe.title: result.estimate(part) for result in found} for part in parts]


PICTURES = {
    "Normal_lungs.png": lambda: _films("NORMAL"),
    "Pneumonia_lungs.png": lambda: _films("PNEUMONIA"),
    "Comparison.png": lambda: plotting.results.comparison(*_estimates("test"))[0].figure,
    "Validation_and_test.png": lambda: (
        plotting.results.validation_against_test(*_estimates())[0].figure
    ),
    "Story.png": lambda: plotting.results.story(*_estimates())[0].figure,
}


def write_images(folder: Path = config.IMAGES) -> list[Path]:
    """Draw every picture into ``folder``; RecordError or FilmError where something is missing."""
    plotting.style.use_style()
    # Without matplotlib's version: equal figures, equal bytes. A test reads the digest.
    facts = {"Software": None, "Source": f"record {record.state(config.RESULTS)}"}
    for name, draw in PICTURES.items():
        with storage.whole(folder / name) as part:
            (figure := draw()).savefig(part, dpi=130, metadata=facts)
        plt.close(figure)
    return [folder / name for name in PICTURES]
