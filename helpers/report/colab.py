"""The notebook in Google Colab: a badge that opens it there, a first cell that gets the study.

Colab opens a notebook without its folder, so the cell stands alone: the helpers are only there
after it ran. Anywhere else it fetches nothing. The address it clones from is written into it.
"""

from __future__ import annotations

import os
import re

import nbformat

from helpers import config

HEAD, CELL = "head", "set-up"  # ids of the notebook's first two cells
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
OPENED = "https://colab.research.google.com/github/{owner}/blob/main/{notebook}"

TEXT = """\
import os
import subprocess
import sys

REPOSITORY = os.environ.get("STUDY_REPOSITORY", {repository})  # where Colab gets the study
if "google.colab" in sys.modules and not os.path.isdir("helpers"):
    if not REPOSITORY:
        raise RuntimeError("Colab has only the notebook: give REPOSITORY the study's git address")
    if not os.path.isdir("study"):
        subprocess.run(["git", "clone", "--depth", "1", REPOSITORY, "study"], check=True)
    os.chdir("study")
    sys.path.insert(0, os.getcwd())
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "-r", "requirements.txt"]
    subprocess.run(pip, check=True)
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # the same rounding on every processor
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up notes aside
from helpers import quiet  # noqa: E402 - where Colab runs this it was not there before

quiet.import_tensorflow()  # without the notes it writes while loading"""


def address() -> str:
    """The repository's public address: STUDY_REPOSITORY, else config.REPOSITORY; "" if neither."""
    return os.environ.get("STUDY_REPOSITORY") or config.REPOSITORY


def cell(repository: str) -> str:
    """Source of the notebook's first code cell, which clones ``repository`` where Colab runs it."""
    return TEXT.format(repository=f'"{repository}"')


def badge(repository: str) -> str:
    """A badge (Markdown) that opens the notebook in Colab, which can do so from GitHub only."""
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(\.git)?/?", repository)
    if not found:
        return ""
    opened = OPENED.format(owner=found[1], notebook=config.NOTEBOOK.name)
    return f"[![Open in Colab]({BADGE})]({opened})"


def stamped(node: nbformat.NotebookNode, repository: str) -> nbformat.NotebookNode:
    """``node`` with the address in its first code cell and the badge under its title."""
    for one in node.cells:
        if one.get("id") == CELL:
            one.source = cell(repository)
        if one.get("id") == HEAD:
            title, *rest = one.source.splitlines()
            rest = "\n".join(line for line in rest if BADGE not in line).strip("\n")
            one.source = "\n\n".join(filter(None, (title, badge(repository), rest)))
    return node
