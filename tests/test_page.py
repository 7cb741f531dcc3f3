"""The page made of the notebook: links arrive, nothing is fetched, figures speak."""

import itertools
import re

import nbformat
import pytest

from helpers import config
from helpers.report import notebook


@pytest.fixture(scope="module")
def node():
    return nbformat.read(config.NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def html(node, tmp_path_factory):
    path = notebook.write_html(node, tmp_path_factory.mktemp("page") / "page.html")
    return path.read_text(encoding="utf-8")


def test_every_link_within_the_page_leads_to_an_id(html):
    ids = set(re.findall(r'\bid="([^"]+)"', html))
    links = set(re.findall(r'href="#([^"]+)"', html))
    named = {link for link in links if re.match(r"\d+-", link)}
    assert len(named) == 11
    assert named <= ids
    assert "6-the-test-set-opened-once" in ids


def test_the_page_fetches_nothing(html):
    assert not re.findall(r"<script[^>]*>", html)
    assert not re.findall(r"<(?:img|link|iframe|source)[^>]*(?:src|href)=\"http[^>]*", html)
    assert not re.findall(r"url\([\"']?http[^)]*", html)
    assert "@import" not in html


def test_figures_are_in_the_page_with_what_they_show_and_no_formula_is(node, html):
    outputs = [output for cell in node.cells for output in cell.get("outputs", [])]
    said = [
        output.metadata[kind]["alt"]
        for output in outputs
        for kind in {"image/png", "image/jpeg"} & set(output.get("data", {}))
    ]
    assert said
    assert re.findall(r'<img alt="([^"]*)" src="data:image/', html) == said
    # Without MathJax a formula would stay as it was typed.
    prose = [cell.source for cell in node.cells if cell.cell_type == "markdown"]
    prose += [output.get("data", {}).get("text/markdown", "") for output in outputs]
    assert not [text for text in prose if "$" in text or r"\(" in text]


def test_limits_stay_in_one_line_and_a_phone_scrolls_wide_figures_where_they_stand(html):
    assert '<span class="ci">[.979, .994]</span>' in html
    assert not re.search(r'alt="[^"]*<span', html)
    phone = html.split("@media (max-width: 700px)", 1)[1].split("</style>", 1)[0]
    assert "overflow-x: auto" in phone
    assert "min-width" in phone


def test_a_screen_reader_finds_its_way(html):
    """What `make accessible` found once, and what it asks of every page."""
    levels = [int(level) for level in re.findall(r"<h([1-6])\b", html)]
    assert levels.count(1) == levels[0] == 1
    assert max(after - before for before, after in itertools.pairwise(levels)) == 1
    assert re.search(r'<html lang="en">.*?<title>Pediatric pneumonia: ', html, re.DOTALL)
    assert "<th></th>" not in html
    scrolling = re.findall(r'<div class="[^"]*jp-Rendered(?:Image|HTML) [^>]*>', html)
    assert scrolling
    assert all('tabindex="0"' in tag for tag in scrolling)
