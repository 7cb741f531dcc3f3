"""The committed notebook is executed whole, in order, without errors; and nbval sees a change."""

import re
import statistics

import nbformat
import numpy as np
import pytest

from helpers import config
from helpers.training import recipes

LIVE = "nbval-ignore-output"


@pytest.fixture(scope="module")
def notebook():
    node = nbformat.read(config.NOTEBOOK, as_version=4)
    nbformat.validate(node)
    return node


@pytest.fixture(scope="module")
def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def prose(notebook):
    """All that is written by hand."""
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


@pytest.fixture(scope="module")
def outputs(code):
    """All that is shown, cell by cell."""
    return [output for cell in code for output in cell.outputs]


@pytest.fixture(scope="module")
def told(outputs):
    """Markdown and tables that are shown, without code, which follows Python."""
    data = [output.get("data", {}) for output in outputs]
    texts = [of.get("text/markdown", "") + of.get("text/html", "") for of in data]
    return [re.sub(r"```.*?```", "", text, flags=re.S) for text in texts]


def test_every_cell_is_executed_in_order_without_an_error_or_standard_error(code, outputs):
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output.text for output in outputs if output.get("name") == "stderr"]


def test_the_notebook_stays_small(notebook, code, prose, outputs):
    lines = [sum(map(bool, cell.source.splitlines())) for cell in code]
    shown = [kind for output in outputs for kind in output.get("data", {})]
    counted = len(prose.split()), len(code), sum(kind.startswith("image/") for kind in shown)
    print("{} words, {} cells of code, {} figures".format(*counted))
    assert all(np.less_equal(counted, (4500, 75, 26)))
    assert statistics.median(lines) <= 4
    assert max(lines) <= 15
    assert max(len(cell.source.splitlines()) for cell in code) <= 17
    assert len(code) < len(notebook.cells) / 2
    assert config.NOTEBOOK.stat().st_size < 4_000_000


def test_the_first_cell_silences_tensorflow_before_it_is_imported(code):
    before, imported = code[0].source.split("from helpers import", 1)
    assert "TF_ENABLE_ONEDNN_OPTS" in before
    assert "TF_CPP_MIN_LOG_LEVEL" in before
    assert "import_tensorflow" in imported
    assert "import tensorflow" not in before


def test_the_result_stands_above_the_contents(code):
    assert re.search(r"\*\*[\d.]+%\*\*", code[2].outputs[0]["data"]["text/markdown"])


def test_only_cells_that_train_live_are_not_compared_and_the_next_code_checks(code):
    live = [n for n, cell in enumerate(code) if "study.run(" in cell.source]
    assert len(live) == len(recipes.STUDY)
    for n, cell in enumerate(code):
        if n in live:
            assert LIVE in cell.metadata.get("tags", []), cell.source
            assert "check(" in code[n + 1].source, cell.source
        elif LIVE in cell.metadata.get("tags", []):
            assert ".fit(" in cell.source


def test_no_compared_output_holds_an_address(outputs):
    assert not [o for o in outputs if " at 0x" in str(o.get("data", {}).get("text/plain", ""))]


def test_every_link_in_the_contents_has_its_heading(prose):
    anchors = re.findall(r'<a id="([^"]+)"></a>', prose)
    assert len(anchors) == len(set(anchors))
    named = set(re.findall(r"\]\(#([^)]+)\)", prose))
    assert len(named) == 11
    assert named <= set(anchors)


def test_every_chapters_anchor_is_the_one_that_github_gives_its_heading(notebook):
    for cell in notebook.cells:
        heading = re.search(r"^## (.+)$", cell.source, flags=re.M)
        if cell.cell_type == "markdown" and heading:
            slug = re.sub(r"[^\w\- ]", "", heading[1].lower()).strip().replace(" ", "-")
            assert cell.source.startswith(f'<a id="{slug}"></a>'), cell.source


def test_links_to_the_old_name_of_chapter_six_still_arrive(notebook):
    chapter = next(cell for cell in notebook.cells if "\n## 6." in cell.source)
    assert '<a id="6-the-test-set-opened-once"></a>' in chapter.source


def test_numbers_of_the_study_are_not_typed_into_the_prose(prose):
    """Three-digit shares, as results are written, stand in outputs only."""
    assert not re.findall(r"(?<![\d\w/.])0?\.\d{3}\b", prose)


def test_every_figure_says_in_words_what_it_shows(outputs):
    for output in outputs:
        for kind in {"image/png", "image/jpeg"} & set(output.get("data", {})):
            alt = output.metadata.get(kind, {}).get("alt", "")
            assert len(alt) > 60, f"no more than a title: {alt}"
            assert not re.search(r"\.(jpe?g|png)", alt), f"names of files: {alt}"


def test_every_chapter_opens_with_its_question_and_closes_with_its_answer(prose):
    chapters = re.split(r"^## ", prose, flags=re.M)[1:]
    assert len(chapters) == 11
    for text in chapters:
        assert re.search(r"^\*[A-Z][^*]*\?[^*]*\*", text, flags=re.M), text[:40]
        assert "**In one line:**" in text, text[:40]


def test_numbers_are_written_alike(told):
    """.987, not 0.987 (0.5 and a learning rate are no results); minus signs are no hyphens."""
    for text in told:
        assert "learning rate" in text or not re.search(r"(?<![\d.])0\.\d{2,3}(?!\d)", text), text
        assert "<table" in text or not re.search(r"(?<![\w-])-\d*\.?\d", text), text
