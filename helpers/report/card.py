"""MODEL_CARD.md's numbers, from the record, between markers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers import config, storage
from helpers.data import manifest
from helpers.evaluation import calibration, decisions
from helpers.evaluation import metrics as evaluation
from helpers.experiments import shift, trust, trust_tables
from helpers.models import classifiers, lungs
from helpers.report import front, readme, sentences
from helpers.report.front import markdown
from helpers.training import record
from helpers.training.study import Result, Study

PATH = config.ROOT / "MODEL_CARD.md"


def details(final: Result) -> str:
    """Members, sizes, views, effort and versions."""
    facts, recipe = final.record.facts, final.recipe
    segmenter = record.read_facts(config.RESULTS, lungs.NAME)
    minutes = sum(facts["training_seconds"].values()) / 60
    seen = {"box": "the lungs cut out", "film": "the whole film"}
    views = " and ".join(seen[view] for view in recipe.views)
    return "\n".join(
        [
            f"* {len(recipe.seeds)} residual networks of {facts['parameters']:,} parameters, "
            f"trained from scratch with seeds {', '.join(map(str, recipe.seeds))}; their mean "
            f"probability counts. Input {recipe.side} × {recipe.side} grey; they see, in turn, "
            f"{views}.",
            f"* A U-Net of {segmenter['parameters']:,} parameters finds the lungs.",
            f"* {sentences.schedule(recipe)}",
            f"* Operating point: called pneumonia from a probability of {final.threshold:.3f} on, "
            "by a rule on validation films that was fixed before training (notebook, chapter 7).",
            f"* Trained {facts['date'][:10]} in {minutes:.0f} minutes (the lungs "
            f"{segmenter['training_seconds'] / 60:.1f} more) on {facts['processor']}, two cores; "
            f"TensorFlow {facts['versions']['tensorflow']}, Keras {facts['versions']['keras']}. "
            f"Definition {classifiers.fingerprint(recipe.builder, recipe.side)}, recipe "
            f"{recipe.digest()}.",
        ]
    )


def data() -> str:
    """Films and patients of each part and subtype."""
    table = manifest.counts(manifest.read())
    table["prevalence"] = table["prevalence"].map("{:.1%}".format)
    return markdown(table.astype(str), "part")


def metrics(final: Result) -> str:
    """All metrics on validation and test, and other thresholds on test."""
    parts = {part: evaluation.written(final.estimate(part)) for part in ("test", "validation")}
    points = shift.operating_points(final)
    return (
        f"{markdown(pd.DataFrame(parts), 'metric')}\n\nOther thresholds, test films (the first is "
        f"the one in use):\n\n{markdown(points.astype(str), 'threshold by')}"
    )


def groups(final: Result) -> str:
    """Share called rightly by subtype, series, apparatus."""
    table = shift.errors(final.scores("test"), final.threshold)
    text = evaluation.written(table).to_frame("called rightly").assign(films=table["films"])
    return f"{markdown(text, 'films of')}\n\n{sentences.remaining_errors_told(table)}"


def analyses(final: Result) -> str:
    """Calibration, predictive values, robustness, attention, referral, in sentences."""
    names = trust.titles()
    cuts = trust_tables.thresholds()
    broken = {title: trust_tables.robustness(name, cuts[name]) for name, title in names.items()}
    lost = {title: trust_tables.loss(name) for name, title in names.items()}
    test, band = final.scores("test"), decisions.referral_band(final.scores("validation"))
    outcomes = [
        decisions.referral_outcome(final.scores(part), band) for part in ("validation", "test")
    ]
    looks = trust_tables.maps()
    worth = decisions.predictive_values(test, final.threshold)
    told = {
        "Calibration": sentences.calibration_told(
            calibration.calibration_table(trust_tables.calibrated(final))
        ),
        "Predictive values": sentences.predictive_told(worth),
        "What it uses": "\n\n" + sentences.uses_told(trust_tables.ablations()),
        "Corruptions": sentences.robustness_told(lost, broken),
        "Attention": sentences.looks_told(trust_tables.maps_in_lungs(looks))
        + " "
        + sentences.looks_by_call_told(trust_tables.maps_by_call(looks)),
        "Errors": sentences.errors_told(final),
        "Asking a radiologist": sentences.band_told(band, *outcomes),
    }
    return "\n\n".join(f"**{name}.** {text}" for name, text in told.items())


def filled(text: str) -> str:
    """MODEL_CARD.md's text with all numbers from the record."""
    results = Study().run_all()
    final = results["final"]
    blocks = {
        "headline": f"{sentences.headline(final)}\n\n{front.known_told(results)}",
        "details": details(final),
        "data": data(),
        "metrics": metrics(final),
        "groups": groups(final),
        "analyses": analyses(final),
        "targets": sentences.targets_told(final.estimate("test")),
    }
    for name, content in blocks.items():
        text = readme.fill(text, name, content)
    return text


def write(path: Path = PATH) -> Path:
    """Fill in MODEL_CARD.md from the record."""
    storage.write_text(path, filled(path.read_text(encoding="utf-8")))
    return path
