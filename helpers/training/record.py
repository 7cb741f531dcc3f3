"""The recorded study on disk: written whole, read with its digests checked, test openings listed.

One folder a recipe: ``predictions.csv`` (film, split, seed, probability; split is validation or
test), ``record.json`` (how it was obtained) and, where kept, one ``seed_N.keras`` a member.
"""

import contextlib
import datetime
import hashlib
import io
import json
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from helpers import storage
from helpers.training.recipes import Recipe

COLUMNS = ["film", "split", "seed", "probability"]
FACTS, TABLE, MEMBER = "record.json", "predictions.csv", "seed_{}.keras"
LEDGER = "test_openings.csv"
ADVICE = "run `make train`, or `git checkout --"


class RecordError(RuntimeError):
    """A record that is absent, damaged, or belongs to other settings or films."""


@dataclass(frozen=True)
class Record:
    """What is known of a trained recipe.

    ``predictions`` has the columns ``COLUMNS``; ``history`` one row a seed and epoch (empty for
    the dummy); ``facts`` is the rest of ``record.json``.
    """

    predictions: pd.DataFrame
    history: pd.DataFrame
    facts: dict[str, Any]


def circumstances() -> dict[str, Any]:
    """Date, processor and versions, for the record."""
    packages = ("tensorflow", "keras", "numpy", "scikit-learn")
    versions = {"python": platform.python_version()}
    versions |= {package: metadata.version(package) for package in packages}
    return {"date": _now(), "processor": _processor(), "versions": versions}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _processor() -> str:
    """The processor's name; Linux gives it in /proc only."""
    with contextlib.suppress(OSError):
        if named := re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()):
            return named[1].strip()
    return platform.processor() or platform.machine()


def write(root: Path, recipe: Recipe, record: Record, members: dict | None = None) -> Path:
    """Write one recipe's record under ``root``, with networks by seed, all files of it together.

    ``record.json`` has the digests of the others: reading notices a run killed between two files.
    """
    folder, members = root / recipe.name, members or {}
    text = record.predictions[COLUMNS].to_csv(index=False, float_format="%.6f", lineterminator="\n")
    with contextlib.ExitStack() as exchanged:
        # Entered first, exchanged last: until then readers find the old record, or wait a moment.
        facts_part = exchanged.enter_context(storage.whole(folder / FACTS))
        exchanged.enter_context(storage.whole(folder / TABLE)).write_bytes(text.encode())
        digests = {}
        for seed, model in members.items():
            model.save(part := exchanged.enter_context(storage.whole(folder / MEMBER.format(seed))))
            digests[str(seed)] = _sha256(part)
        facts = {
            **record.facts,
            "recipe": recipe.settings(),
            "recipe_digest": recipe.digest(),
            "predictions_sha256": hashlib.sha256(text.encode()).hexdigest(),
            "members_sha256": digests,
            "history": record.history.to_dict(orient="list"),
        }
        facts_part.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    for old in set(folder.glob(MEMBER.format("*"))) - {folder / MEMBER.format(s) for s in members}:
        old.unlink()
    return folder


def write_facts(root: Path, name: str, facts: dict, model: keras.Model | None = None) -> None:
    """Write the facts (and the network) of something that is no recipe, such as the lungs."""
    folder = root / name
    with contextlib.ExitStack() as exchanged:
        facts_part = exchanged.enter_context(storage.whole(folder / FACTS))
        if model is not None:
            model.save(part := exchanged.enter_context(storage.whole(folder / f"{name}.keras")))
            facts = {**facts, "network_sha256": _sha256(part)}
        facts_part.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def read(root: Path, recipe: Recipe, films_digest: str) -> Record:
    """One recipe's record; RecordError: absent, damaged, or of other settings or other films."""
    folder = root / recipe.name
    facts, table = read_facts(root, recipe.name), _content(folder / TABLE, str)
    if "history" not in facts:
        raise RecordError(f"{folder / FACTS}: damaged; {ADVICE} {folder}`")
    table_digest = hashlib.sha256(table.encode()).hexdigest()
    for key, expected, what in (
        ("recipe_digest", recipe.digest(), "recorded with other settings"),
        ("films_digest", films_digest, "recorded on other films or another split"),
        ("predictions_sha256", table_digest, f"{TABLE} is not the one recorded"),
    ):
        if facts.get(key) != expected:
            differ = f"{key} {str(facts.get(key))[:16]}, expected {expected[:16]}"
            raise RecordError(f"{folder}: {what} ({differ}); {ADVICE} {folder}`")
    return Record(pd.read_csv(io.StringIO(table)), pd.DataFrame(facts.pop("history")), facts)


def read_facts(root: Path, name: str) -> dict[str, Any]:
    """What ``record.json`` says under ``name``; RecordError where it is absent or damaged."""
    return _content(root / name / FACTS, lambda text: dict(json.loads(text)))


def _content(path: Path, parse: Callable[[str], Any]) -> Any:
    """What ``parse`` makes of a file of the record."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError) as error:
        what = "no such record" if isinstance(error, FileNotFoundError) else f"damaged ({error})"
        raise RecordError(f"{path}: {what}; {ADVICE} {path.parent}`") from None


def load_network(root: Path, name: str) -> keras.Model:
    """The network that ``write_facts`` wrote; RecordError: absent, or not the one recorded."""
    return _load(root / name / f"{name}.keras", read_facts(root, name).get("network_sha256"))


def load_member(root: Path, recipe: Recipe, seed: int) -> keras.Model:
    """The network of one seed; RecordError: its weights are not kept, or not those recorded."""
    members = read_facts(root, recipe.name).get("members_sha256", {})
    return _load(root / recipe.name / MEMBER.format(seed), members.get(str(seed)))


def _load(path: Path, digest: str | None) -> keras.Model:
    """The network in ``path``, whose SHA-256 is ``digest``; nothing is unpickled (safe mode)."""
    if not path.is_file():
        raise RecordError(f"{path}: these weights are not kept; `make train` makes them")
    if digest != _sha256(path):
        raise RecordError(f"{path}: not the weights that were recorded; run `make train`")
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def state(root: Path) -> str:
    """Digest of all recorded predictions, 16 digits; RecordError where nothing is recorded."""
    tables = sorted(root.glob(f"*/{TABLE}"))
    if not tables:
        raise RecordError(f"{root}: nothing is recorded; run `make train`")
    lines = [f"{table.parent.name} {_sha256(table)}" for table in tables]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def note_opening(root: Path, recipe: Recipe, films: int) -> None:
    """Add a line to the ledger: the test films are about to be scored with this recipe."""
    path, head = root / LEDGER, "date,recipe,recipe_digest,seeds,films\n"
    rest = f"{recipe.name},{recipe.digest()},{' '.join(map(str, recipe.seeds))},{films}"
    # Trainings side by side may end together; neither line may be lost.
    with storage.alone(root / f".{LEDGER}.lock", "writing the ledger", patience=10.0):
        past = path.read_text(encoding="utf-8") if path.is_file() else head
        storage.write_text(path, f"{past}{_now()},{rest}\n")


def openings(root: Path) -> pd.DataFrame:
    """The ledger: date, recipe, recipe_digest, seeds, films; RecordError where there is none."""
    if not (root / LEDGER).is_file():
        raise RecordError(f"{root / LEDGER}: no ledger of test openings")
    return pd.read_csv(root / LEDGER, dtype={"seeds": "string"})
