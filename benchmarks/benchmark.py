"""Speed and scale measured on this machine, part by part, into ``data/results/benchmark.json``.

What is compared runs in turn, pair by pair, so that a machine that slows down slows both. Times are
of the machine they were taken on; ratios of pairs are what carries over.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras
import nbformat
import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks import peaks, rivals, ways
from helpers import config, storage
from helpers import predict as predicting
from helpers.data import dataset
from helpers.report import notebook as page
from helpers.training import recipes, record, study
from helpers.training.recipes import Recipe

FILE = "benchmark.json"
RECIPES = ("cnn_4", "final")
REPEATS = 3
CLOSE = 5  # pairs with the ceiling a repeat: they differ by less than single pairs scatter
STEPS, EPOCHS = 25, 2  # of one measurement; an epoch is 800 films
ENLARGED = 96  # films made as large as the originals; linked again and again to fill an epoch
TIMES = (1, 10, 100)  # how many films there are, in multiples

Tell = Callable[[str], None]
Rate = Callable[[], float]


def run(parts: Iterable[str], path: Path, tell: Tell, against: Path | None = None) -> Path:
    """Measure ``parts`` (of ``PARTS``); what is measured is written at once, the rest kept.

    ``against`` is another checkout of the project, whose training is compared with this one's.

    Raises:
        ValueError: an unknown part.
    """
    parts = list(parts) or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        raise ValueError(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    measures = PARTS | {"before": functools.partial(before, against)}
    for part in parts:
        tell(f"{part} …")
        start = time.perf_counter()
        measured = measures[part]()
        if measured is None:
            continue
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        took = round(time.perf_counter() - start, 1)
        found[part] = {"cores": os.cpu_count(), "took": took, **record.circumstances(), **measured}
        storage.write_text(path, json.dumps(_rounded(found), indent=1) + "\n")
    return path


def _rounded(value: Any) -> Any:
    """Plain data with its floats to four significant digits."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


# -- training -----------------------------------------------------------------------------------


def training() -> dict[str, Any]:
    """Films a second by each way of feeding, each measured right beside ours; the ceiling."""
    table = dataset.packaged().table.query("part == 'training'")
    some = table.sample(STEPS * recipes.get("final").batch_size, random_state=config.SEED)
    pairs = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        large = ways.enlarged(some.head(ENLARGED), root / "large")
        folders = {
            "small copies": ways.linked(some, root / "small", len(some)),
            "originals' size": ways.linked(large, root / "originals", len(some)),
        }
        for recipe in map(recipes.get, RECIPES):
            pairs += _pairs(recipe, some, folders)
    limit = {name: _limit(recipes.get(name)) for name in RECIPES}
    return {"pairs": pairs, "limit": limit}


def _pairs(recipe: Recipe, films: pd.DataFrame, folders: dict[str, Path]) -> list[dict[str, Any]]:
    """Rates of each way and of ours beside it, ``REPEATS`` times, with the ceiling more often."""
    ours, others = _rates(recipe, films, folders)
    rows = []
    for repeat in tqdm(range(REPEATS), desc=recipe.title):
        for (way, source), other in others.items():
            times = CLOSE if way == "ceiling" else 1
            for pair in range(repeat * times, (repeat + 1) * times):
                # Who goes first changes from pair to pair.
                first, second = (other, ours) if pair % 2 else (ours, other)
                told = {first: first(), second: second()}
                named = {"recipe": recipe.name, "way": way, "source": source, "repeat": pair}
                rows.append({**named, "rate": told[other], "ours": told[ours]})
    return rows


def _rates(
    recipe: Recipe, films: pd.DataFrame, folders: dict[str, Path]
) -> tuple[Rate, dict[tuple[str, str], Rate]]:
    """What measures our way once, and each other way; every network is built once."""
    pictures, _ = dataset.read_all(list(films["path"]), recipe.side)
    y = (films["label"] == "PNEUMONIA").to_numpy().astype(int)

    def timed(model: keras.Model, feed: Callable[[], Iterable[Any]]) -> Rate:
        return lambda: ways.rate(model, feed(), recipe.batch_size, STEPS, EPOCHS)

    network = ways.network(recipe)
    others: dict[tuple[str, str], Rate] = {
        ("ceiling", "memory"): timed(ways.network(recipe), lambda: ways.constant(recipe))
    }
    for source, folder in folders.items():
        for way in (ways.image_data_generator, ways.image_dataset):
            plain = ways.network(recipe)
            others[way.__name__, source] = timed(
                plain, lambda way=way, folder=folder: way(recipe, folder)
            )
    if rivals.has("torch"):
        others["torch", "memory"] = functools.partial(_torch, recipe.name)
    return timed(network, lambda: ways.ours(recipe, pictures, y)), others


def _torch(name: str) -> float:
    """PyTorch's rate, in a process of its own: its threads and TensorFlow's hinder each other."""
    call = f"from helpers import rivals; print(rivals.rate_of({name!r}, {STEPS}, {EPOCHS}))"
    told = peaks.cost(["-c", call])
    return float(told.told.strip().splitlines()[-1])


def _limit(recipe: Recipe) -> dict[str, Any]:
    """What a film costs, what the processor can do, and where a step's time goes."""
    return {
        "multiply_adds": ways.multiply_adds(ways.network(recipe)),
        "matrix_rate": ways.matrix_rate(),
        "milliseconds": ways.where_time_goes(recipe),
    }


# -- before and after ---------------------------------------------------------------------------


def before(other: Path | None) -> dict[str, Any] | None:
    """Seconds an epoch of each recipe takes with this checkout and with ``other``, in turn."""
    if other is None:
        return None
    rows = []
    for repeat in range(REPEATS):
        for name, root in (("here", config.ROOT), ("before", other.resolve())):
            told = peaks.epochs(root)
            rows += [{"code": name, "repeat": repeat, **row} for row in told]
    return {"epochs": rows}


# -- time to the result -------------------------------------------------------------------------


def result() -> dict[str, Any]:
    """Films a second of two large networks as peers would train them, one epoch extrapolated."""
    rows = {}
    for build in (keras.applications.EfficientNetB0, keras.applications.ResNet50):
        model = build(
            weights=None, input_shape=(224, 224, 1), classes=1, classifier_activation="sigmoid"
        )
        model.compile(optimizer="adam", loss="binary_crossentropy", jit_compile=False)
        recipe = dataclasses.replace(recipes.get("final"), side=224)
        rows[model.name] = ways.rate(model, ways.constant(recipe), recipe.batch_size, 1, 2)
    return {"peers": rows}


# -- prediction ---------------------------------------------------------------------------------


def prediction() -> dict[str, Any]:
    """One film cold and warm, a folder of films, and the network against ONNX Runtime."""
    films = dataset.packaged().table.query("part == 'test'")
    with tempfile.TemporaryDirectory() as name:
        count = len(study.Study().recorded("final").scores("test"))
        folder = ways.linked(films, Path(name) / "films", count)
        one = [_predicting(films["path"].iloc[0]) for _ in range(3)]
        many = _predicting(str(folder))
    ready = predicting.Predictor()
    warm = [_seconds(functools.partial(ready.one, path)) for path in films["path"].head(40)]
    return {
        "cold": [told.seconds for told in one],
        "warm": warm[8:],
        "folder": {"films": count, "seconds": many.seconds},
        "onnx": _against_onnx(),
    }


def _predicting(path: str) -> peaks.Cost:
    """What ``predict`` costs; it goes well also where it refuses a film."""
    return peaks.cost(["-m", "helpers", "predict", path], well=(0, 1))


def _against_onnx() -> list[dict[str, Any]]:
    """Seconds the final network takes, ours and ONNX Runtime's; empty without it.

    Each in processes of its own, in turn: the threads of one would hinder the other's.
    """
    if not (rivals.has("onnxruntime") and rivals.has("tf2onnx")):
        return []
    rows = []
    for _ in range(REPEATS):
        for name, call in (("ours", "benchmark.final_ours()"), ("onnx", "benchmark.final_onnx()")):
            code = (
                "from helpers import quiet; quiet.import_tensorflow(); import json; "
                f"from helpers import benchmark; print(json.dumps({call}))"
            )
            told = peaks.cost(["-c", code], {"STUDY_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"})
            rows += [{"by": name, **row} for row in json.loads(told.told.strip().splitlines()[-1])]
    return rows


def final_ours() -> list[dict[str, float]]:
    """Seconds of the final network's members as ``predict`` asks them: for a process of its own."""
    return _timed(predicting.together(study.Study().run("final").ensemble().members))


def final_onnx() -> list[dict[str, float]]:
    """The same members in ONNX Runtime, one after the other with all its threads."""
    members = study.Study().run("final").ensemble().members
    sessions = [(rivals.onnx_predictor(model), view) for model, view in members]
    return _timed(lambda seen: np.array([ask(seen[view]) for ask, view in sessions]))


def _timed(call: Callable[[dict[str, np.ndarray]], np.ndarray]) -> list[dict[str, float]]:
    """Median seconds of a call for one film and for a batch, with the mean answer."""
    films = dataset.packaged().table.query("part == 'test'")
    recipe, rows = recipes.get("final"), []
    for count in (1, 32):
        pictures, _ = dataset.read_all(list(films["path"].head(count)), recipe.side)
        seen = dict.fromkeys(recipe.views, pictures)
        seconds = [_seconds(functools.partial(call, seen)) for _ in range(60)]
        told = float(np.mean(call(seen)))
        rows.append({"films": count, "seconds": float(np.median(seconds[10:])), "told": told})
    return rows


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


# -- memory -------------------------------------------------------------------------------------


def memory() -> dict[str, Any]:
    """Greatest memory of replay, training and prediction, and how it grows with the films."""
    whole = peaks.grown(TIMES[-1])
    rows = [{"what": "train, as an array", "times": TIMES[-1], **_plain(whole)}]
    films = dataset.packaged().table.query("part == 'test'")
    with tempfile.TemporaryDirectory() as name:
        for times in TIMES:
            folder = ways.linked(films, Path(name) / str(times), 16 * times)
            told = _plain(_predicting(str(folder)))
            rows.append({"what": "predict", "times": times, **told})
    return {"peaks": rows}


def _plain(cost: peaks.Cost) -> dict[str, float]:
    return {"seconds": cost.seconds, "megabytes": cost.peak}


# -- the notebook -------------------------------------------------------------------------------


def notebook() -> dict[str, Any]:
    """Seconds of a replay of the whole notebook, its slowest cells, its memory."""
    code = "import sys; from helpers import benchmark; benchmark.replay(sys.argv[1])"
    runs, last = [], []
    with tempfile.TemporaryDirectory() as name:
        told = Path(name) / "cells.json"
        for _ in range(REPEATS):
            runs.append(_plain(peaks.cost(["-c", code, str(told)])))
            last = json.loads(told.read_text())
    slowest = sorted(last, key=lambda cell: -cell["seconds"])[:10]
    return {"runs": runs, "slowest": slowest}


def replay(path: str) -> None:
    """Execute the notebook from its record and write the seconds of each cell to ``path``."""
    settings = {"STUDY_MODE": "replay", "TF_ENABLE_ONEDNN_OPTS": "0"}
    node = page.execute(settings=settings, timing=True)
    Path(path).write_text(json.dumps(cells(node)))


def cells(node: nbformat.NotebookNode) -> list[dict[str, Any]]:
    """Number, first line and seconds of each cell that was executed with timing."""
    rows = []
    for cell in node.cells:
        when = cell.metadata.get("execution", {})
        if "shell.execute_reply" in when:
            moments = (when["iopub.execute_input"], when["shell.execute_reply"])
            start, end = (datetime.datetime.fromisoformat(moment) for moment in moments)
            told = {"cell": cell.execution_count, "line": cell.source.strip().splitlines()[0]}
            rows.append(told | {"seconds": (end - start).total_seconds()})
    return rows


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    part.__name__: part for part in (training, result, prediction, memory, notebook)
} | {"before": lambda: before(None)}
