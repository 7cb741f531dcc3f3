"""The recorded study on disk: written whole, read with its digests checked, test openings listed.

One folder a recipe: ``predictions.csv`` (film, split, seed, probability; split is validation or
test), ``record.json`` (how it was obtained) and, where kept, one ``seed_N.keras`` a member.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import io
import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np
import pandas as pd
import sklearn
import tensorflow as tf

from helpers import storage
from helpers.training.recipes import Recipe

COLUMNS = ["film", "split", "seed", "probability"]
LEDGER = "test_openings.csv"


class RecordError(RuntimeError):
    """A record that is absent, damaged, or belongs to other settings or films."""


class ExchangedError(RecordError):
    """Files of a record that do not belong together: damaged, or being written just now."""


@dataclass(frozen=True)
class Record:
    """What is known of a trained recipe: probabilities, history and circumstances.

    ``predictions`` has the columns film, split, seed, probability; ``history`` one row a seed
    and epoch (empty for the dummy); ``facts`` is the rest of ``record.json``.
    """

    predictions: pd.DataFrame
    history: pd.DataFrame
    facts: dict[str, Any]


def circumstances() -> dict[str, Any]:
    """Date, processor and versions, for the record."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
        },
    }


def _processor() -> str:
    """The processor's name; Linux tells it in /proc only."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration, IndexError):
        return platform.processor() or platform.machine()


def write(
    root: Path, recipe: Recipe, record: Record, members: dict[int, keras.Model] | None = None
) -> Path:
    """Write one recipe's record under ``root``, all files of it together.

    ``record.json`` carries the digests of recipe and predictions, so a run that was killed
    between two files is noticed when the record is read.
    """
    folder = root / recipe.name
    table = record.predictions[COLUMNS].to_csv(
        index=False, float_format="%.6f", lineterminator="\n"
    )
    # All files are made first and exchanged together, the facts last: whoever reads meanwhile
    # finds the old record or, a moment later, the new one.
    with contextlib.ExitStack() as exchanged:
        facts_part = exchanged.enter_context(storage.whole(folder / "record.json"))
        table_part = exchanged.enter_context(storage.whole(folder / "predictions.csv"))
        digests = {}
        for seed, model in (members or {}).items():
            part = exchanged.enter_context(storage.whole(folder / f"seed_{seed}.keras"))
            model.save(part)
            digests[str(seed)] = _sha256(part)
        table_part.write_bytes(table.encode())
        facts = {
            **record.facts,
            "recipe": recipe.settings(),
            "recipe_digest": recipe.digest(),
            "predictions_sha256": hashlib.sha256(table.encode()).hexdigest(),
            "members_sha256": digests,
            "history": record.history.to_dict(orient="list"),
        }
        facts_part.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    wanted = {f"seed_{seed}.keras" for seed in members or {}}
    for old in folder.glob("seed_*.keras"):
        if old.name not in wanted:
            old.unlink()
    return folder


Read = TypeVar("Read")


def _settled(read: Callable[[], Read]) -> Read:
    """What ``read`` gives; asked again for a second where files are just being exchanged."""
    for wait in (0.05, 0.2, 0.8):
        try:
            return read()
        except ExchangedError:
            time.sleep(wait)
    return read()


def read(root: Path, recipe: Recipe, films_digest: str) -> Record:
    """Read one recipe's record and check that it belongs to the recipe and to the films.

    Raises:
        RecordError: absent, damaged, or recorded with other settings or other films.
    """
    return _settled(lambda: _read(root, recipe, films_digest))


def _read(root: Path, recipe: Recipe, films_digest: str) -> Record:
    folder = root / recipe.name
    advice = f"run `make train`, or `git checkout -- {folder}`"
    try:
        facts = json.loads((folder / "record.json").read_text(encoding="utf-8"))
        table = (folder / "predictions.csv").read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RecordError(f"{error.filename}: no such record; {advice}") from None
    except ValueError as error:
        raise RecordError(f"{folder}/record.json: damaged ({error}); {advice}") from None
    if not isinstance(facts, dict) or "history" not in facts:
        raise RecordError(f"{folder}/record.json: damaged; {advice}")
    found = {
        "recipe_digest": recipe.digest(),
        "films_digest": films_digest,
        "predictions_sha256": hashlib.sha256(table.encode()).hexdigest(),
    }
    what = {
        "recipe_digest": "recorded with other settings",
        "films_digest": "recorded on other films or another split",
        "predictions_sha256": "predictions.csv is not the one that was recorded",
    }
    for key, expected in found.items():
        if facts.get(key) != expected:
            told = f"{str(facts.get(key))[:16]}, expected {expected[:16]}"
            kind = ExchangedError if key == "predictions_sha256" else RecordError
            raise kind(f"{folder}: {what[key]} ({key} {told}); {advice}")
    predictions = pd.read_csv(io.StringIO(table))
    history = pd.DataFrame(facts.pop("history"))
    return Record(predictions, history, facts)


def note(root: Path, name: str, facts: dict[str, Any], model: keras.Model | None = None) -> None:
    """Write the facts (and the network) of something that is no recipe, such as the lungs."""
    folder = root / name
    with contextlib.ExitStack() as exchanged:
        facts_part = exchanged.enter_context(storage.whole(folder / "record.json"))
        if model is not None:
            part = exchanged.enter_context(storage.whole(folder / f"{name}.keras"))
            model.save(part)
            facts = {**facts, "network_sha256": _sha256(part)}
        facts_part.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def noted(root: Path, name: str) -> dict[str, Any]:
    """The facts that ``note`` wrote.

    Raises:
        RecordError: absent or damaged.
    """
    path = root / name / "record.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: cannot be read ({error}); run `make train`") from None


def load_network(root: Path, name: str) -> keras.Model:
    """The network that ``note`` wrote; nothing is unpickled (safe mode).

    Raises:
        RecordError: absent, or not the one that was recorded.
    """
    return _settled(lambda: _load_network(root, name))


def _load_network(root: Path, name: str) -> keras.Model:
    path = root / name / f"{name}.keras"
    if not path.is_file():
        raise RecordError(f"{path}: no such network; run `make train`")
    if noted(root, name).get("network_sha256") != _sha256(path):
        raise ExchangedError(f"{path}: not the network that was recorded; run `make train`")
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def load_member(root: Path, recipe: Recipe, seed: int) -> keras.Model:
    """Load one kept network; nothing is unpickled (safe mode).

    Raises:
        RecordError: the weights of this seed are not kept.
    """
    return _settled(lambda: _load_member(root, recipe, seed))


def _load_member(root: Path, recipe: Recipe, seed: int) -> keras.Model:
    path = root / recipe.name / f"seed_{seed}.keras"
    if not path.is_file():
        raise RecordError(f"{path}: these weights are not kept; `make train` makes them")
    facts = json.loads((path.parent / "record.json").read_text(encoding="utf-8"))
    if facts.get("members_sha256", {}).get(str(seed)) != _sha256(path):
        raise ExchangedError(f"{path}: not the weights that were recorded; run `make train`")
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def state(root: Path) -> str:
    """Digest of all recorded predictions, 16 digits: what was drawn from them carries it.

    Raises:
        RecordError: nothing is recorded under ``root``.
    """
    tables = sorted(root.glob("*/predictions.csv"))
    if not tables:
        raise RecordError(f"{root}: nothing is recorded; run `make train`")
    told = [f"{table.parent.name} {_sha256(table)}" for table in tables]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def note_opening(root: Path, recipe: Recipe, films: int) -> None:
    """Add a line to the ledger: the test films are about to be scored with this recipe."""
    path = root / LEDGER
    head = "date,recipe,recipe_digest,seeds,films\n"
    # Trainings side by side may end together; neither line may be lost.
    with storage.alone(root / f".{LEDGER}.lock", "writing the ledger", patience=10.0):
        past = path.read_text(encoding="utf-8") if path.is_file() else head
        date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        seeds = " ".join(map(str, recipe.seeds))
        storage.write_text(path, f"{past}{date},{recipe.name},{recipe.digest()},{seeds},{films}\n")


def openings(root: Path) -> pd.DataFrame:
    """The ledger of test openings: date, recipe, recipe_digest, seeds, films.

    Raises:
        RecordError: there is no ledger under ``root``.
    """
    path = root / LEDGER
    if not path.is_file():
        raise RecordError(f"{path}: no ledger of test openings")
    return pd.read_csv(path, dtype={"seeds": "string"})
