"""How long do README's two commands take on a bare machine, and what do they install?

``python -m benchmarks.installation``: clones the commit, then ``make setup``, ``make run`` and
``make test`` there as a new user would, and weighs the packages.
"""

import argparse
import os
import subprocess
import tempfile
import time
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks import common
from helpers import config

LARGEST = 5  # packages in the record
MUSTS = {"make run": 300, "make test": 240}  # seconds, once all is installed


def clone(root: Path) -> Path:
    """The commit in a folder of its own."""
    here = root / "study"
    subprocess.run(["git", "clone", "--quiet", str(config.ROOT), str(here)], check=True)
    return here


def spent(here: Path, target: str) -> float:
    """Seconds that a target of make takes; its output ends the RuntimeError where it fails."""
    start = time.perf_counter()
    plain = {name: value for name, value in os.environ.items() if not name.startswith("STUDY_")}
    done = subprocess.run(["make", target], cwd=here, env=plain, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"make {target} failed: {(done.stdout + done.stderr)[-2000:]}")
    return time.perf_counter() - start


def weights(site: Path) -> Counter[str]:
    """Megabytes of each package installed in a folder ``site``."""
    sizes = Counter()
    for package in metadata.distributions(path=[str(site)]):
        files = {Path(package.locate_file(file)).resolve() for file in package.files or ()}
        sizes[package.name] += sum(file.stat().st_size for file in files if file.is_file()) / 1e6
    return sizes


def measure() -> list[dict[str, Any]]:
    """A row a target with its seconds, and one a package (the largest) with its megabytes."""
    with tempfile.TemporaryDirectory() as name:
        here = clone(Path(name))
        rows = [{"what": f"make {t}", "seconds": spent(here, t)} for t in ("setup", "run", "test")]
        sizes = weights(next(here.glob(".venv/lib/python*/site-packages")))
    rows.append({"what": "environment", "megabytes": sizes.total()})
    return rows + [{"what": one, "megabytes": mb} for one, mb in sizes.most_common(LARGEST)]


def lines(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table's lines: the commands' times, and what is large."""
    seconds = {row["what"]: row["seconds"] for row in rows if "seconds" in row}
    found = []
    for what, most in MUSTS.items():
        value, must = f"{seconds[what] / 60:.1f} minutes", f"at most {most // 60}"
        title = f"`{what}` on a bare machine, once all is installed"
        found.append(common.line(title, value, must, seconds[what] <= most))
    environment, *packages = (row for row in rows if row["what"] not in seconds)
    largest = ", ".join(f"{row['what']} {row['megabytes']:,.0f}" for row in packages)
    value = f"{environment['megabytes']:,.0f} MB; {largest}"
    return [*found, common.line("What `make setup` installs, and the largest of it", value)]


def main() -> None:
    """Measure and write the record."""
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    rows = measure()
    common.write("installation", rows, lines(rows))


if __name__ == "__main__":
    main()
