"""README.md and MODEL_CARD.md from ``templates/``: words by hand, numbers from the record.

A template's ``holds(condition, sentence)`` stops the rendering where the record no longer bears
the sentence out: then a person writes it anew.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from helpers import config, predict, storage
from helpers.data import dataset, manifest
from helpers.evaluation import calibration, decisions, metrics
from helpers.experiments import shift, trust
from helpers.models import classifiers, input_check, lungs
from helpers.report import console, tables
from helpers.shortcuts import acquisition
from helpers.training import record
from helpers.training.study import Result, Study

TEMPLATES = Path(__file__).parent / "templates"
PAGES = ("README.md", "MODEL_CARD.md")


class StaleError(RuntimeError):
    """A sentence of a template that the record no longer bears out."""


def holds(claim: bool, sentence: str) -> None:
    """Stop where a claim does not hold; stands beside the sentence that makes it."""
    if not claim:
        raise StaleError(f"no longer true, write it anew: {sentence}")


def environment() -> jinja2.Environment:
    """Where the templates are read, with what they may call; an unknown name is an error."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.do"],
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.globals["holds"] = holds
    for function in (tables.percent, tables.share, tables.signed, tables.plus, tables.markdown):
        found.filters[function.__name__] = function
    found.filters |= {"short": metrics.short, "whole": "{:,.0f}".format, "points": "{:.1%}".format}
    return found


def context(root: Path = config.RESULTS) -> dict[str, Any]:
    """What the templates fill in: results, estimates (value, low, high) and tables by name.

    Raises:
        RecordError: the study is not recorded under ``root``.
    """
    study = Study(results=root).run_all()
    final, earlier, films = study["final"], study["residual"], manifest.read()
    test, band = final.scores("test"), decisions.referral_band(final.scores("validation"))
    well = test[test["y"] == 0].join(acquisition.read(root)["margin"], on="film")
    maps, check = trust.maps(root), record.read_facts(root, input_check.NAME)
    cuts = (earlier.threshold, final.threshold)
    return {
        "study": study,
        "final": final,
        "test": final.estimate("test"),
        "validation": final.estimate("validation"),
        "earlier": earlier.estimate("test"),
        "called_sick": (test["probability"] >= final.threshold).mean(),
        "half": metrics.estimate(test, 0.5),
        "counts": metrics.confusion(test, final.threshold),
        "opened": {result.recipe.name: _opened(result, root) for result in study.values()},
        "films": films,
        "parts": manifest.counts(films),
        "packaged": dataset.packaged(),
        "peers": pd.read_csv(config.PEERS),
        "places": tables.places(final.estimate("test"), pd.read_csv(config.PEERS)),
        "practices": tables.practices(),
        "targets": tables.targets(final, root),
        "gained": metrics.compare(earlier.scores("test"), test, cuts),
        "crop": shift.compare_views(final).loc["AUROC"],
        "explained": tables.explained(study),
        "points": shift.operating_points(final),
        "errors": shift.errors(test, final.threshold),
        "misled": (well["margin"] > 0.5).groupby(well["probability"] >= final.threshold).mean(),
        "check": check,
        "refused": input_check.refusal_table(check),
        "lost": {name: trust.loss(name, root) for name in (trust.REFERENCE, "final")},
        "broken": trust.robustness("final", final.threshold, root)["AUROC"],
        "inside": tables.inside(trust.maps_in_lungs(maps)),
        "called": tables.inside(trust.maps_by_call(maps)),
        "ablations": trust.ablations(),
        "brier": calibration.calibration_table(
            calibration.versions(final.scores("validation"), final.scores("test"))
        )["Brier"],
        "worth": decisions.predictive_values(test, final.threshold),
        "wanted": config.TARGET_SENSITIVITY,
        "band": band,
        "decided": {
            part: decisions.referral_outcome(final.scores(part), band)
            for part in ("validation", "test")
        },
        "effort": [
            seconds
            for r in study.values()
            for seconds in r.record.facts["training_seconds"].values()
        ],
        "segmenter": record.read_facts(root, lungs.NAME),
        "definition": classifiers.fingerprint(final.recipe.builder, final.recipe.side),
        "benchmark": json.loads((root / "benchmark.json").read_text("utf-8")).get("readme", []),
    }


def _opened(result: Result, root: Path) -> pd.Timestamp:
    """When the test films were first scored with a recipe."""
    ledger = record.openings(root)
    return pd.Timestamp(ledger.loc[ledger["recipe_digest"] == result.recipe.digest(), "date"].min())


def printed() -> str:
    """What ``predict`` prints of a film that everybody has, and of a picture that is no film."""
    film, other = predict.example(), config.IMAGES / "Story.png"
    answers = predict.predictor().answers([film, other])
    shown = (f"…/{film.name}", f"images/{other.name}")
    lines = [
        console.line(dataclasses.replace(answer, path=path))
        for answer, path in zip(answers, shown, strict=True)
    ]
    return "\n".join([console.HEAD, *lines])


def page(name: str, found: dict[str, Any]) -> str:
    """One page as the record would have it; ``found`` from ``context``."""
    return environment().get_template(f"{name}.j2").render(found)


def write(root: Path = config.ROOT) -> list[Path]:
    """Render every page into ``root``; nothing is written unless all of them could be.

    Raises:
        RecordError, FilmError: the record or the packaged films are not there.
        StaleError: a sentence no longer holds; the message says which.
    """
    found = context() | {"example": predict.example().name, "printed": printed()}
    texts = {root / name: page(name, found) for name in PAGES}
    for path, text in texts.items():
        storage.write_text(path, text)
    return list(texts)
