"""How long a command takes and how much memory it takes at most: each in a process of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from helpers import config
from helpers.data import dataset
from helpers.data.dataset import Films
from helpers.models import ensemble
from helpers.training import fit, recipes

# The system counts the memory of the process that starts another as the other's, too, until that
# has begun. So a small one stands between; it alone can be told of its child and no other.
BETWEEN = """
import json, os, subprocess, sys, time
start = time.perf_counter()
_, status, usage = os.wait4(subprocess.Popen(sys.argv[2:]).pid, 0)
told = [time.perf_counter() - start, usage.ru_maxrss, os.waitstatus_to_exitcode(status)]
with open(sys.argv[1], "w") as file:
    json.dump(told, file)
"""


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a process cost: seconds, and the greatest resident memory of it or a child, in MB."""

    seconds: float
    peak: float
    told: str


def cost(
    arguments: Sequence[str],
    settings: Mapping[str, str] | None = None,
    root: Path = config.ROOT,
    well: Sequence[int] = (0,),
) -> Cost:
    """Run ``python`` with ``arguments`` in the checkout ``root``: what it cost (Linux, macOS).

    ``well`` are the exit codes of a run that went well.

    Raises:
        RuntimeError: it failed; the message has its last line.
    """
    environment = {**os.environ, "PYTHONPATH": str(root), **(settings or {})}
    with tempfile.TemporaryDirectory() as name:
        usage = Path(name) / "usage.json"
        done = subprocess.run(
            [sys.executable, "-c", BETWEEN, str(usage), sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd=root,
            check=True,
        )
        seconds, peak, code = json.loads(usage.read_text())
    if code not in well:
        last = done.stdout.strip().splitlines()[-1:] or [f"exit code {code}"]
        raise RuntimeError(f"python {' '.join(arguments)}: {last[0]}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return Cost(seconds, peak * unit / 1e6, done.stdout)


def many(films: Films, count: int, times: int, folder: Path) -> Films:
    """``count`` training and validation films each ``times`` times, by links in ``folder``."""
    parts = films.table[films.table["part"].isin(["training", "validation"])]
    some = parts.sample(count, random_state=config.SEED)
    folder.mkdir(parents=True)
    tables = []
    for number in range(times):
        names = [f"{number:03d}-{film}" for film in some["film"]]
        paths = [folder / name for name in names]
        for path, source in zip(paths, some["path"], strict=True):
            path.symlink_to(Path(source).resolve())
        tables.append(some.assign(film=names, path=[str(path) for path in paths]))
    table = pd.concat(tables, ignore_index=True)[["film", "path", "label", "part"]]
    return dataclasses.replace(films, table=table)


def train_on_many(times: int, count: int = 400) -> None:
    """Read the films, many times over, and train CNN 4 on them for an epoch: for ``cost``."""
    recipe = dataclasses.replace(recipes.get("cnn_4"), epochs=1)
    with tempfile.TemporaryDirectory() as folder:
        films = many(dataset.packaged(), count, times, Path(folder) / "films")
        films, pictures = dataset.load(films, recipe.side, Path(folder) / "cache")
        y = (films.table["label"] == "PNEUMONIA").to_numpy().astype(int)
        part = films.table["part"].to_numpy()
        sets = [(pictures[part == name], y[part == name]) for name in ("training", "validation")]
        fitted = fit.fit(recipe, 1, *sets, Path(folder) / "work")
        ensemble.predict(fitted.model, sets[1][0])


def grown(times: int) -> Cost:
    """What ``train_on_many`` costs."""
    lines = (
        "from helpers import quiet",
        "quiet.import_tensorflow()",
        "from helpers import peaks",
        f"peaks.train_on_many({times})",
    )
    return cost(["-c", "; ".join(lines)], {"TF_CPP_MIN_LOG_LEVEL": "3"})


# Run with the code of any checkout since the record was made: seconds an epoch of each recipe.
EPOCHS = """
import dataclasses, json, sys, tempfile, time
from pathlib import Path
from helpers import quiet
quiet.import_tensorflow()
from helpers import dataset, recipes, training
told = []
for recipe in recipes.STUDY.values():
    if not recipe.epochs:
        continue
    films, pictures = dataset.load(dataset.at_hand(), recipe.side)
    y = (films.table["label"] == "PNEUMONIA").to_numpy().astype(int)
    part = films.table["part"].to_numpy()
    sets = [(pictures[part == name], y[part == name]) for name in ("training", "validation")]
    ends = []
    short = dataclasses.replace(recipe, epochs=3, patience=None)
    with tempfile.TemporaryDirectory() as folder:
        def report(epochs, logs):
            if logs:
                ends.append(time.perf_counter())
        training.fit(short, 1, *sets, Path(folder), report)
    told.append({"recipe": recipe.name, "seconds": (ends[-1] - ends[0]) / (len(ends) - 1)})
print(json.dumps(told))
"""


def epochs(root: Path) -> list[dict[str, object]]:
    """Seconds an epoch of each recipe on the films at hand, by the code of a checkout."""
    told = cost(["-c", EPOCHS], {"TF_CPP_MIN_LOG_LEVEL": "3"}, root).told
    return json.loads(told.strip().splitlines()[-1])
