"""The slides are built from the record, hold only while it bears them out, and repeat."""

from __future__ import annotations

import copy
import hashlib
import re

import pytest
import typst

from helpers import config
from helpers.data import dataset
from helpers.report import render, slides
from helpers.training import record


@pytest.fixture(scope="module", autouse=True)
def some_films():
    """A few of the packaged films are enough here, and quicker to read."""
    found = dataset.packaged()
    rows = found.table.groupby(["part", "subtype"]).head(12).reset_index(drop=True)
    few = dataset.Films(found.source, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "packaged", lambda: few)
        yield


@pytest.fixture(scope="module")
def facts():
    return render.facts()


@pytest.fixture(scope="module")
def two_builds(tmp_path_factory):
    return [slides.write(tmp_path_factory.mktemp(name) / "talk.pdf").read_bytes() for name in "ab"]


def test_two_builds_are_equal(two_builds):
    first, second = two_builds
    assert first.startswith(b"%PDF")
    assert first == second, "the slides differ from build to build"
    assert b"CreationDate" not in first


def test_the_talk_is_short_and_wide(two_builds):
    boxes = re.findall(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", two_builds[0])
    assert 8 <= len(boxes) <= 10
    assert all(float(width) / float(height) == pytest.approx(16 / 9) for width, height in boxes)


def test_the_committed_slides_are_of_this_record_and_these_words():
    committed = config.SLIDES.read_bytes()
    words = hashlib.sha256(slides.SOURCE.read_bytes()).hexdigest()
    for mark in (f"record {record.state(config.RESULTS)}", f"words {words}"):
        assert mark.encode() in committed, "presentation.pdf is stale: run `make slides`"


def test_numbers_are_written_as_everywhere(facts, tmp_path, monkeypatch):
    made = """
        #assert.eq(share(0.5897), ".590")
        #assert.eq(share(1.0), "1.000")
        #assert.eq(percent(0.9969, n: 1), "99.7%")
        #assert.eq(thousands(17481.03), "17,481")
        #assert.eq(thousands(381), "381")
    """
    head = slides.SOURCE.read_text(encoding="utf-8").split("#let final")[0]
    (tmp_path / "source.typ").write_text(head + made, encoding="utf-8")
    monkeypatch.setattr(slides, "SOURCE", tmp_path / "source.typ")
    (tmp_path / "there").mkdir()
    assert slides.build(tmp_path / "there", facts).startswith(b"%PDF")


def test_words_that_no_longer_hold_stop_the_build(facts, tmp_path):
    changed = copy.deepcopy(facts)
    changed["networks"]["final"]["test"].loc["sensitivity"] = 0.9, 0.8, 0.95
    with pytest.raises(typst.TypstError, match="Nearly every child with pneumonia is found"):
        slides.build(tmp_path, changed)


def test_no_result_is_typed_into_the_source_and_no_type_is_tiny():
    source = slides.SOURCE.read_text(encoding="utf-8")
    assert not re.findall(r"(?<![\d\w/.])0?\.\d{3}\b(?!\))|\d\.\d%", source)
    assert min(map(float, re.findall(r"size: ([\d.]+)pt", source))) >= 14


def test_without_a_record_there_are_no_slides(tmp_path):
    with pytest.raises(record.RecordError):
        slides.write(tmp_path / "talk.pdf", tmp_path)
    assert not (tmp_path / "talk.pdf").exists()
