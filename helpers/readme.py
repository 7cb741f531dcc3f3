"""README.md's numbers, from the record, between markers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from helpers import (
    attention,
    calibration,
    config,
    counsel,
    evaluation,
    files,
    gate,
    manifest,
    record,
    reliance,
    telling,
    trust,
    verdict,
)
from helpers.study import Result, Study

MARKERS = ("<!-- numbers: {name} -->", "<!-- end of numbers: {name} -->")


def fill(text: str, name: str, content: str) -> str:
    """Put ``content`` between the markers of ``name`` in ``text``.

    Raises:
        ValueError: the markers are not there, once each and in order.
    """
    start, end = (marker.format(name=name) for marker in MARKERS)
    if text.count(start) != 1 or text.count(end) != 1 or text.index(start) > text.index(end):
        raise ValueError(f"no single pair of markers {start} … {end}")
    before, rest = text.split(start)
    return f"{before}{start}\n{content}\n{end}{rest.split(end)[1]}"


def filled(text: str, results: Path = config.RESULTS) -> str:
    """README.md's text with all numbers from the record."""
    everything = Study(results=results).run_all()
    films = manifest.read()
    blocks = {
        "headline": telling.headline(everything["final"]),
        "films": (
            f"No account, nothing to fetch: {films['packaged'].sum():,} of the {len(films):,} real "
            "films come with a package in `requirements.txt`."
        ),
        "table": f"{_table_head(everything)}\n\n{_markdown_table(everything)}",
        "cure": (
            f"{verdict.views_told(verdict.views_apart(everything['final']))}\n\n"
            f"{verdict.rule_cost_told(everything['final'])} It was fixed beforehand and stands."
        ),
        "trust": trusted(),
        "check": checked(),
        "effort": effort(everything),
    }
    for name, content in blocks.items():
        text = fill(text, name, content)
    return text


def checked(results: Path = config.RESULTS) -> str:
    """What the input check refuses, of films and of other things."""
    facts = record.noted(results, gate.NAME)
    told = {what: telling.percent(row) for what, row in gate.table(facts).iterrows()}
    turned = gate.table(facts).loc[["turned left", "turned right", "upside down"]]
    return (
        f"The check refuses {told['films']} of the {facts['test_films']} test films; of the same "
        f"films turned or upside down {telling.percent(turned.loc[turned['value'].idxmin()])}, of "
        f"noise {told['noise']}, of pages of text {told['pages of text']}, of "
        f"{facts['photographs']} photographs and drawings it has never seen "
        f"{told['photographs']}. Other parts of the body were not at hand."
    )


def trusted() -> str:
    """Three findings of chapters 8 and 9, a line each."""
    names, cuts = trust.titles(), reliance.thresholds()
    broken = {title: reliance.robustness(name, cuts[name]) for name, title in names.items()}
    lost = {title: reliance.loss(name) for name, title in names.items()}
    looks = attention.looks_by_call(attention.looks())
    final = Study().run("final")
    return "\n".join(
        [
            f"* {reliance.robustness_told(lost, broken)}",
            f"* {attention.looks_by_call_told(looks)}",
            f"* {counsel.calibration_told(calibration.table(reliance.calibrated(final)))}",
        ]
    )


def effort(results: Mapping[str, Result]) -> str:
    """How long the recorded study was trained, and on what."""
    facts = [result.record.facts for result in results.values()]
    seconds = sum(sum(fact["training_seconds"].values()) for fact in facts)
    trainings = sum(len(fact["training_seconds"]) for fact in facts)
    last = facts[-1]
    return (
        f"The recorded study: {trainings} trainings in {seconds / 60:.0f} minutes on "
        f"{last['processor']} (finished {last['date'][:10]}, "
        f"TensorFlow {last['versions']['tensorflow']}, Keras {last['versions']['keras']})."
    )


def _table_head(results: Mapping[str, Result]) -> str:
    return (
        f"The {len(results['final'].scores('test'))} official test films, each network at its own "
        f"threshold, fixed beforehand: the highest that finds {config.TARGET_SENSITIVITY:.0%} of "
        "the validation films with pneumonia; the final network's by the rule of chapter 7. In "
        "brackets 95% intervals from a bootstrap over patients."
    )


def _markdown_table(results: Mapping[str, Result]) -> str:
    """All networks on the test films as a Markdown table."""
    names = ("AUROC", "accuracy", "sensitivity", "specificity")
    rows = [f"| network | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for result in results.values():
        table = evaluation.written(result.estimate("test"))
        rows.append(f"| {result.recipe.title} | {' | '.join(table[n] for n in names)} |")
    return "\n".join(rows)


def write(path: Path = config.ROOT / "README.md") -> Path:
    """Fill in README.md from the record."""
    files.write_text(path, filled(path.read_text(encoding="utf-8")))
    return path
