"""What the benchmark found, as a table and sentences for README.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import benchmark
from helpers import config
from helpers.report import tables
from helpers.training import recipes
from helpers.training.study import Result, Study

WAYS = {
    (
        "image_data_generator",
        "originals' size",
    ): "`ImageDataGenerator`, files as large as the originals",
    ("image_data_generator", "small copies"): "`ImageDataGenerator`, copies at 224 × 224",
    (
        "image_dataset",
        "originals' size",
    ): "`image_dataset_from_directory` and Keras layers, the same large files",
    (
        "image_dataset",
        "small copies",
    ): "`image_dataset_from_directory` and Keras layers, the copies",
    ("torch", "memory"): "PyTorch, the same network and changes, no worker processes",
    ("ceiling", "memory"): "our network on one batch in memory: the ceiling",
}

# What our way has to be, in multiples of another, on files as large as the first study read.
MUSTS = {
    ("image_data_generator", "originals' size"): ("the first study's generator", 2.2),
    ("image_dataset", "originals' size"): ("Keras's own way", 1.3),
    ("ceiling", "memory"): ("the ceiling", 0.95),
}
FLAT = 1.10  # of the least peak, for "memory does not grow"
NOTEBOOK_SECONDS = 60.0
ONNX = 1.5


def read(results: Path = config.RESULTS) -> dict[str, Any]:
    """What was measured, part by part.

    Raises:
        FileNotFoundError: nothing was.
    """
    return json.loads((results / benchmark.FILE).read_text(encoding="utf-8"))


def pairs(found: dict[str, Any]) -> pd.DataFrame:
    """One row a recipe, way and source: median rates, ratio of pairs and its range."""
    rows = pd.DataFrame(found["training"]["pairs"])
    rows["ratio"] = rows["ours"] / rows["rate"]
    grouped = rows.groupby(["recipe", "way", "source"])
    return grouped.agg(
        rate=("rate", "median"),
        ours=("ours", "median"),
        ratio=("ratio", "median"),
        low=("ratio", "min"),
        high=("ratio", "max"),
    )


def table(found: dict[str, Any]) -> str:
    """Films a second of each way, and how many times as fast ours is, as Markdown."""
    measured = pairs(found)
    names = [recipes.get(name).title for name in benchmark.RECIPES]
    head = "".join(f" {name}: films a second | ours, times |" for name in names)
    lines = [f"| fed by |{head}", "|---" * (1 + 2 * len(names)) + "|"]
    for way, text in WAYS.items():
        cells = [_cell(measured, (name, *way)) for name in benchmark.RECIPES]
        if any(cells):
            lines.append(f"| {text} |" + "".join(cells))
    return "\n".join(lines)


def _cell(measured: pd.DataFrame, key: tuple[str, str, str]) -> str:
    if key not in measured.index:
        return ""
    row = measured.loc[key]
    return f" {row['rate']:,.0f} | {row['ratio']:.2f} [{row['low']:.2f}, {row['high']:.2f}] |"


def musts_told(found: dict[str, Any]) -> str:
    """Which of the ratios that were to be reached are."""
    measured, told = pairs(found), []
    for (way, source), (what, least) in MUSTS.items():
        each = []
        for name in benchmark.RECIPES:
            ratio = measured.loc[(name, way, source), "ratio"]
            verdict = "reached" if ratio >= least else "missed"
            each.append(f"{recipes.get(name).title} {ratio:.2f}, {verdict}")
        told.append(f"{least} times {what} ({'; '.join(each)})")
    return f"Wanted were at least {', '.join(told)}."


def limit_told(found: dict[str, Any]) -> str:
    """How far the ceiling is from the processor's own limit, and what takes the time."""
    told = []
    for name in benchmark.RECIPES:
        limit, recipe = found["training"]["limit"][name], recipes.get(name)
        spent = dict(limit["milliseconds"])
        step = spent.pop("step")
        # A film forward, then its gradients for inputs and for filters: three times the work.
        least = 3000 * limit["multiply_adds"] * recipe.batch_size / limit["matrix_rate"]
        most = ", ".join(f"{kind} {ms:.1f}" for kind, ms in list(spent.items())[:4])
        told.append(
            f"a step of {recipe.title} ({limit['multiply_adds'] / 1e6:.0f} million multiply-adds "
            f"a film forward) would take {least:.0f} ms at the rate of a matrix product and takes "
            f"{step:.0f} ms, {least / step:.0%} of the limit (profiler, in ms: {most})"
        )
    return f"The processor's own limit: {'; '.join(told)}."


def before_told(found: dict[str, Any]) -> str:
    """How much faster the whole study trains than the code of another checkout."""
    if "before" not in found:
        return ""
    rows = pd.DataFrame(found["before"]["epochs"])
    epoch = rows.groupby(["recipe", "code"])["seconds"].median().unstack()
    told = Study().run_all()
    count = pd.Series({name: len(told[name].history) for name in epoch.index})
    total = epoch.mul(count, axis=0).sum() / 60
    final = epoch.loc["final", "before"] / epoch.loc["final", "here"]
    return (
        "The whole study, from the seconds an epoch of each network takes, measured in turn: "
        f"{total['before']:.0f} minutes with the code as it was, {total['here']:.0f} as it is, "
        f"{total['before'] / total['here']:.2f} times as fast (the final network alone: "
        f"{final:.2f} times)."
    )


def result_told(found: dict[str, Any], results: dict[str, Result]) -> str:
    """Minutes from films to the recorded networks, and what larger ones would take an epoch."""
    told = []
    for name in ("cnn_5", "final"):
        result = results[name]
        seconds = sum(result.record.facts["training_seconds"].values())
        auroc = tables.share(result.estimate("test").loc["AUROC"])
        told.append(f"{result.recipe.title} {seconds / 60:.0f} minutes to AUROC {auroc}")
    films = results["final"].record.facts["films"]["training"]
    peers = ", ".join(
        f"{name} {films / rate / 60:.0f} minutes" for name, rate in found["result"]["peers"].items()
    )
    return (
        f"Time to the result, as recorded with all seeds: {', '.join(told)}. One epoch of larger "
        "networks at 224 × 224 from fresh weights would take, extrapolated from a few steps: "
        f"{peers}."
    )


def prediction_told(found: dict[str, Any]) -> str:
    """One film cold and warm, a folder, and one member against ONNX Runtime."""
    part = found["prediction"]
    cold, warm = (pd.Series(part[name]) for name in ("cold", "warm"))
    folder = part["folder"]
    told = (
        f"`predict`: one film {cold.median():.1f} s from a cold start, "
        f"{1000 * warm.median():.0f} ms warm; {folder['films']} films {folder['seconds']:.0f} s."
    )
    if part["onnx"]:
        rows = pd.DataFrame(part["onnx"]).groupby(["films", "by"])["seconds"].median().unstack()
        ratio = rows["ours"] / rows["onnx"]
        each = ", ".join(f"{count} at once {value:.2f}" for count, value in ratio.items())
        verdict = "reached" if ratio.max() <= ONNX else "missed"
        told += (
            f" The final network's time in multiples of ONNX Runtime's: {each} "
            f"(at most {ONNX}: {verdict})."
        )
    return told


def memory_told(found: dict[str, Any]) -> str:
    """Peaks, and whether they grow with the number of films."""
    rows = pd.DataFrame(found["memory"]["peaks"]).set_index(["what", "times"])["megabytes"]
    peak, whole = rows["predict"], rows["train, as an array"]
    grown = peak.max() / peak.min()
    verdict = "flat within 10%" if grown <= FLAT else f"grown by {grown - 1:.0%}"
    each = ", ".join(f"{value:,.0f}" for value in peak)
    much = ", ".join(str(times) for times in peak.index)
    return (
        f"Memory at most: predict {each} MB for {much} times the films ({verdict}); train "
        f"{whole.iloc[0]:,.0f} MB for {whole.index[0]} times the films. Replay of the notebook: "
        f"{pd.DataFrame(found['notebook']['runs'])['megabytes'].median():,.0f} MB."
    )


def notebook_told(found: dict[str, Any]) -> str:
    """Seconds of a replay and its slowest cells."""
    part = found["notebook"]
    seconds = pd.DataFrame(part["runs"])["seconds"].median()
    slowest = ", ".join(f"{cell['cell']} ({cell['seconds']:.1f} s)" for cell in part["slowest"])
    verdict = "reached" if seconds <= NOTEBOOK_SECONDS else "missed"
    return (
        f"Replay of the whole notebook, figures and intervals computed anew: {seconds:.0f} s "
        f"(at most {NOTEBOOK_SECONDS:.0f}: {verdict}); its slowest cells: {slowest}."
    )


def told(results: dict[str, Result]) -> str:
    """README's section on speed."""
    found = read()
    part = found["training"]
    repeats = pd.DataFrame(part["pairs"]).groupby("way")["repeat"].nunique()
    minutes = sum(one["took"] for one in found.values()) / 60
    head = (
        f"Measured on {part['cores']} cores of {part['processor']} ({part['date'][:10]}): medians "
        f"of {repeats.min()} pairs run in turn, of {repeats['ceiling']} with the ceiling, in "
        f"brackets the least and greatest ratio of a pair; {minutes:.0f} minutes in all. The times "
        "are this machine's; the ratios carry over."
    )
    lines = [
        musts_told(found),
        limit_told(found),
        before_told(found),
        result_told(found, results),
        prediction_told(found),
        memory_told(found),
        notebook_told(found),
    ]
    listed = "\n".join(f"* {line}" for line in lines if line)
    kept = "Films are decoded once and kept as an array."
    return f"{head}\n\n{table(found)}\n\n{listed}\n\n{kept}"
