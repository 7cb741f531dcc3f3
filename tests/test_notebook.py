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


def outputs(cell, kind):
    return [output for output in cell.outputs if output.output_type == kind]


def test_every_cell_is_executed_in_order(code):
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


def test_no_cell_stores_an_error_or_standard_error(code):
    assert not [cell.source for cell in code if outputs(cell, "error")]
    streams = [output for cell in code for output in outputs(cell, "stream")]
    assert not [output.text for output in streams if output.name == "stderr"]


def test_the_notebook_stays_small(notebook, code):
    words = sum(len(c.source.split()) for c in notebook.cells if c.cell_type == "markdown")
    lines = [sum(map(bool, cell.source.splitlines())) for cell in code]
    shown = [kind for cell in code for o in cell.outputs for kind in o.get("data", {})]
    counted = words, len(code), sum(kind.startswith("image/") for kind in shown)
    print("{} words, {} cells of code, {} figures".format(*counted))
    assert all(np.less_equal(counted, (5000, 75, 26)))
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


def test_a_cell_that_trains_live_is_not_compared_and_the_next_code_checks(code):
    live = [n for n, cell in enumerate(code) if "study.run(" in cell.source]
    assert len(live) == len(recipes.STUDY)
    for n in live:
        assert LIVE in code[n].metadata.get("tags", []), code[n].source
        assert "check(" in code[n + 1].source, code[n].source


def test_only_cells_that_train_are_left_out_of_the_comparison(code):
    for cell in code:
        if LIVE in cell.metadata.get("tags", []):
            assert re.search(r"study\.run\(|\.fit\(", cell.source)


def test_no_compared_output_holds_an_address(code):
    for cell in code:
        for output in cell.outputs:
            assert " at 0x" not in str(output.get("data", {}).get("text/plain", ""))


def test_every_link_in_the_contents_has_its_heading(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    anchors = re.findall(r'<a id="([^"]+)"></a>', text)
    assert len(anchors) == len(set(anchors))
    named = set(re.findall(r"\]\(#([^)]+)\)", text))
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


def test_numbers_of_the_study_are_not_typed_into_the_prose(notebook):
    """Three-digit shares, as results are written, stand in outputs only."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert not re.findall(r"(?<![\d\w/.])0?\.\d{3}\b", cell.source), cell.source


def test_every_figure_says_in_words_what_it_shows(code):
    for cell in code:
        for output in cell.outputs:
            for kind in ("image/png", "image/jpeg"):
                if kind in output.get("data", {}):
                    alt = output.metadata.get(kind, {}).get("alt", "")
                    assert len(alt) > 60, f"no more than a title: {alt}"
                    assert not re.search(r"\.(jpe?g|png)", alt), f"names of files: {alt}"


def test_every_chapter_opens_with_its_question_and_closes_with_its_answer(notebook):
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    chapters = re.split(r"^## ", prose, flags=re.M)[1:]
    assert len(chapters) == 11
    for text in chapters:
        assert re.search(r"^\*[A-Z][^*]*\?[^*]*\*", text, flags=re.M), text[:40]
        assert "**In one line:**" in text, text[:40]


def test_minus_signs_are_no_hyphens(code):
    for cell in code:
        for output in outputs(cell, "execute_result") + outputs(cell, "display_data"):
            told = re.sub(r"```.*?```", "", output["data"].get("text/markdown", ""), flags=re.S)
            assert not re.search(r"(?<![\w-])-\d*\.?\d", told), told


def test_shares_are_written_alike(code):
    """.987, not 0.987; 0.5 and a learning rate are no results."""
    for cell in code:
        for output in outputs(cell, "execute_result") + outputs(cell, "display_data"):
            told = output["data"].get("text/markdown", "") + output["data"].get("text/html", "")
            told = told if "learning rate" not in told else ""
            told = re.sub(r"```python.*?```", "", told, flags=re.S)  # code follows Python
            assert not re.search(r"(?<![\d.])0\.\d{2,3}(?!\d)", told), cell.source
