"""The notebook's first cell gets the study where Colab runs it, and nothing elsewhere."""

import shutil
import subprocess
import sys

import nbformat
import pytest

from helpers import config

IN_COLAB = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')\n"
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@pytest.fixture(scope="module")
def cell():
    """What the cell holds before it imports the work behind the notebook, and one such import."""
    node = nbformat.read(config.NOTEBOOK, as_version=4)
    first = next(cell.source for cell in node.cells if cell.cell_type == "code")
    plumbing, _ = first.split("from helpers import", 1)
    return f"{plumbing}\nfrom helpers import config\n"


@pytest.fixture
def repository(tmp_path):
    """A small repository with helpers, as a folder that git can clone."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "origin"
    (folder / "helpers").mkdir(parents=True)
    (folder / "helpers" / "__init__.py").touch()
    (folder / "helpers" / "config.py").write_text("print('quiet')\n")
    (folder / "requirements.txt").write_text("# nothing\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def execute(source, folder, **settings):
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", source]
    environment = ENVIRONMENT | settings
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


def test_in_colab_the_cell_clones_the_study_and_finds_its_helpers(cell, repository, tmp_path):
    there, address = tmp_path / "content", f"file://{repository}"
    source = f"{IN_COLAB}{cell}\nprint(os.path.basename(os.getcwd()))"
    for _ in ("at first", "after a restart of the kernel"):
        done = execute(source, there, STUDY_REPOSITORY=address)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["quiet", "study"]


def test_in_colab_without_an_address_the_cell_says_what_to_do(cell, tmp_path):
    done = execute(IN_COLAB + cell, tmp_path / "content")
    assert done.returncode != 0
    assert "the study's git address" in done.stderr


def test_elsewhere_the_cell_fetches_nothing_and_says_nothing(cell, repository):
    done = execute(cell, repository, STUDY_REPOSITORY="file:///nowhere")
    assert done.returncode == 0, done.stderr
    assert not (repository / "study").exists()
