"""README.md's numbers, from the record, between markers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks import speed
from helpers import config, storage
from helpers.data import manifest
from helpers.evaluation import calibration, metrics
from helpers.experiments import shift, trust, trust_tables
from helpers.models import input_check
from helpers.report import front, sentences, tables
from helpers.training import record
from helpers.training.study import Result, Study

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
        **opening(everything),
        **beside(everything),
        "films": (
            f"No account, nothing to fetch: {films['packaged'].sum():,} of the {len(films):,} real "
            "films come with a package in `requirements.txt`."
        ),
        "commands": front.commands(len(everything)),
        "predict": front.printed(),
        "targets": front.targets_told(front.targets(everything["final"])),
        "table": f"{_table_head(everything)}\n\n{_markdown_table(everything)}",
        "cure": cured(everything),
        "trust": trusted(),
        "check": checked(),
        "effort": effort(everything),
        "speed": speed.told(everything),
    }
    for name, content in blocks.items():
        text = fill(text, name, content)
    return text


def opening(results: Mapping[str, Result]) -> dict[str, str]:
    """The first blocks: the result, what was known before it, the key figure."""
    return {
        "headline": f"{sentences.headline(results['final'])}\n\n{front.known_told(results)}",
        "figure": front.picture(results),
    }


def beside(results: Mapping[str, Result]) -> dict[str, str]:
    """The blocks on the peers: their figures and ours, what they are known to do."""
    ours, practices = results["final"].estimate("test"), front.practices()
    told = front.places_told(front.places(ours))
    return {
        "peers": f"{told} {front.alike_told(ours, front.alike(practices))}\n\n"
        f"{front.peers_table(ours)}",
        "practice": front.markdown(practices, ""),
    }


def cured(results: Mapping[str, Result]) -> str:
    """What the final network gains and loses, what the lungs bring, and the rule's price."""
    final, forerunner = results["final"], results["residual"]
    gained = metrics.compare(
        forerunner.scores("test"),
        final.scores("test"),
        (forerunner.threshold, final.threshold),
    )
    return "\n\n".join(
        [
            sentences.cure_told(gained, final.estimate("test")),
            sentences.views_told(shift.compare_views(final)),
            f"{sentences.rule_cost_told(final)} It was fixed beforehand and stands.",
        ]
    )


def checked(results: Path = config.RESULTS) -> str:
    """What the input check refuses, of films and of other things."""
    facts = record.read_facts(results, input_check.NAME)
    told = {what: tables.percent(row) for what, row in input_check.refusal_table(facts).iterrows()}
    turned = input_check.refusal_table(facts).loc[["turned left", "turned right", "upside down"]]
    return (
        f"The check refuses {told['films']} of the {facts['test_films']} test films; of the same "
        f"films turned or upside down {tables.percent(turned.loc[turned['value'].idxmin()])}, of "
        f"noise {told['noise']}, of pages of text {told['pages of text']}, of "
        f"{facts['photographs']} photographs and drawings it has never seen "
        f"{told['photographs']}. Other parts of the body were not at hand."
    )


def trusted() -> str:
    """Findings of chapters 8 and 9, a line each; of attention the one with a target first."""
    names, cuts = trust.titles(), trust_tables.thresholds()
    broken = {title: trust_tables.robustness(name, cuts[name]) for name, title in names.items()}
    lost = {title: trust_tables.loss(name) for name, title in names.items()}
    looks = trust_tables.maps()
    found = sentences.looks_by_call_told(trust_tables.maps_by_call(looks))
    parts = calibration.calibration_table(trust_tables.calibrated(Study().run("final")))
    return "\n".join(
        [
            f"* {sentences.robustness_told(lost, broken)}",
            f"* {sentences.looks_told(trust_tables.maps_in_lungs(looks))}",
            "* Measured on lungs that our own network found, where no target was set: "
            f"{found[0].lower()}{found[1:]}",
            f"* {sentences.calibration_told(parts)}",
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
        table = metrics.written(result.estimate("test"))
        rows.append(f"| {result.recipe.title} | {' | '.join(table[n] for n in names)} |")
    return "\n".join(rows)


def write(path: Path = config.ROOT / "README.md") -> Path:
    """Fill in README.md from the record."""
    storage.write_text(path, filled(path.read_text(encoding="utf-8")))
    return path
