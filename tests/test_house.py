"""The house: imports run downward, without circles, and the notebook's doors stay light."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from helpers import config

# A room may import from its own floor's package and from those that stand before it.
FLOORS = (
    *(
        "config",
        "quiet",
        "storage",
        "tasks",
        "data",
        "evaluation",
        "models",
        "shortcuts",
        "training",
        "explain",
    ),
    *("experiments", "plotting", "predict", "report", "__main__"),
)
HOUSE = config.ROOT / "helpers"


def rooms() -> dict[str, ast.Module]:
    """Every module of helpers/ by its dotted name, without ``helpers``."""
    found = {}
    for path in HOUSE.rglob("*.py"):
        name = ".".join(path.relative_to(HOUSE).with_suffix("").parts).removesuffix(".__init__")
        if name != "__init__":
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports(tree: ast.Module, known: set[str]) -> set[str]:
    """Modules of helpers/ that a module imports, at its top or within a function."""
    named = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "helpers":
            inside = node.module.removeprefix("helpers").removeprefix(".")
            for alias in node.names:
                whole = f"{inside}.{alias.name}".removeprefix(".")
                named.add(whole if whole in known else inside)
    return named


def test_imports_run_downward():
    found = rooms()
    upward = [
        f"{room} imports {other}"
        for room, tree in found.items()
        for other in imports(tree, set(found))
        if FLOORS.index(other.split(".")[0]) > FLOORS.index(room.split(".")[0])
    ]
    assert not upward, upward


def test_no_circle_among_the_rooms():
    found = rooms()
    # A package's own __init__ imports its rooms; that is no circle.
    left = {
        room: {other for other in imports(tree, set(found)) if other != room}
        for room, tree in found.items()
        if not (HOUSE / room).is_dir()
    }
    while free := [room for room, others in left.items() if not others & set(left)]:
        for room in free:
            del left[room]
    assert not left, f"these import each other: {sorted(left)}"


@pytest.mark.parametrize("absent", ["plotting", "report", "training"])
def test_models_come_without_the_rest_of_the_house(absent):
    code = f"import sys, helpers.models; sys.exit('helpers.{absent}' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=config.ROOT, check=True, timeout=120)
