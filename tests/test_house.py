"""The house: imports run downward, without circles; it stays small and its doors light."""

import ast
import re
import statistics

import nbformat

from helpers import config
from tests.test_quiet import written

# A room may import from its own floor's package and from those that stand before it.
FLOORS = ["config", "storage", "tasks", "data", "evaluation", "models", "shortcuts", "training"]
FLOORS += ["explain", "experiments", "plotting", "predict", "report", "__main__"]
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


def test_models_come_without_the_rest_of_the_house():
    loaded = written("import sys, helpers.models", "print(*sys.modules)").split()
    assert not {"helpers.plotting", "helpers.report", "helpers.training"} & set(loaded)
    assert "helpers.models" in loaded


def lines(folder: str) -> dict[str, int]:
    """Lines of each Python file under a folder of the checkout, by its path there."""
    root = config.ROOT / folder
    return {
        str(path.relative_to(root)): len(path.read_text(encoding="utf-8").splitlines())
        for path in root.rglob("*.py")
    }


def test_the_house_stays_small():
    house = lines("helpers")
    assert sum(house.values()) <= 6500
    assert {name: count for name, count in house.items() if count > 400} == {}
    assert sum(lines("tests").values()) <= 5500
    assert all(count <= 200 for count in lines("benchmarks").values())


def test_functions_stay_short():
    nodes = [node for tree in rooms().values() for node in ast.walk(tree)]
    functions = [n for n in nodes if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    sizes = {node: node.end_lineno - node.lineno + 1 for node in functions}
    assert [node.name for node, size in sizes.items() if size > 50] == []
    assert statistics.median(sizes.values()) < 12


def test_the_archive_says_which_code_it_ran_with():
    for path in (config.ROOT / "notebooks_archive").glob("*.ipynb"):
        first = nbformat.read(path, as_version=4).cells[0].source.splitlines()[0]
        assert re.search(r"with the code of commit [0-9a-f]{7}", first), path.name
