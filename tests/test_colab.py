"""The first cell gets the study where Colab runs it, from any git address, and nowhere else."""

from __future__ import annotations

import shutil
import subprocess
import sys

import nbformat
import pytest

from helpers import config
from helpers.report import colab

IN_COLAB = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')\n"
HUB = "https://github.com/somebody/study"


@pytest.fixture
def repository(tmp_path):
    """A small repository with helpers, as a folder that git can clone."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "origin"
    (folder / "helpers").mkdir(parents=True)
    (folder / "helpers" / "__init__.py").touch()
    (folder / "helpers" / "quiet.py").write_text("def import_tensorflow():\n    print('quiet')\n")
    (folder / "requirements.txt").write_text("# nothing\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def execute(source, folder):
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", source]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=ENVIRONMENT)


ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def test_in_colab_the_cell_clones_the_study_and_finds_its_helpers(repository, tmp_path):
    there = tmp_path / "content"
    source = IN_COLAB + colab.cell(f"file://{repository}")
    done = execute(f"{source}\nprint(os.path.basename(os.getcwd()))", there)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["quiet", "study"]
    again = execute(source, there)  # after a restart of the kernel
    assert again.returncode == 0, again.stderr


def test_the_environment_may_name_the_address(repository, tmp_path, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "STUDY_REPOSITORY", f"file://{repository}")
    done = execute(IN_COLAB + colab.cell(""), tmp_path / "content")
    assert done.returncode == 0, done.stderr


def test_in_colab_without_an_address_the_cell_says_what_to_do(tmp_path):
    done = execute(IN_COLAB + colab.cell(""), tmp_path / "content")
    assert done.returncode != 0
    assert "give REPOSITORY the study's git address" in done.stderr


def test_elsewhere_the_cell_fetches_nothing_and_says_nothing(repository, tmp_path):
    done = execute(colab.cell("file:///nowhere"), repository)
    assert done.returncode == 0, done.stderr
    assert not (repository / "study").exists()


def test_the_badge_opens_the_notebook_from_github():
    for address in (HUB, f"{HUB}/", f"{HUB}.git"):
        assert f"/github/somebody/study/blob/main/{config.NOTEBOOK.name}" in colab.badge(address)


@pytest.mark.parametrize("address", ["", "file:///somewhere", "https://gitlab.com/a/b"])
def test_there_is_no_badge_that_leads_nowhere(address):
    assert colab.badge(address) == ""


def test_a_notebook_is_stamped_with_the_address_and_back():
    head = nbformat.v4.new_markdown_cell("# Title\n\nText.", id=colab.HEAD)
    first = nbformat.v4.new_code_cell("", id=colab.CELL)
    node = nbformat.v4.new_notebook(cells=[head, first])
    assert colab.stamped(node, HUB).cells[0].source.startswith("# Title\n\n[![Open in Colab]")
    assert f'"{HUB}"' in node.cells[1].source
    once = node.cells[0].source
    assert colab.stamped(node, HUB).cells[0].source == once
    assert colab.stamped(node, "").cells[0].source == "# Title\n\nText."


def test_the_cell_is_short():
    assert len(colab.cell(HUB).splitlines()) <= 20
