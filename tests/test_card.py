"""The model card says what the record says, and names every part such a card must have."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from helpers import config
from helpers.report import card


@pytest.fixture(scope="module")
def text():
    return card.PATH.read_text(encoding="utf-8")


def test_the_numbers_in_the_card_are_those_of_the_record(text):
    assert card.filled(text) == text, "MODEL_CARD.md is stale: run `make readme`"


def test_the_card_has_the_parts_of_mitchell_et_al(text):
    parts = ("Model details", "Intended use", "Factors", "Metrics", "Training and evaluation data")
    parts += ("Quantitative analyses", "Ethical considerations", "Caveats and recommendations")
    headings = re.findall(r"^## (.+)$", text, flags=re.M)
    assert set(parts) <= set(headings)


def test_no_result_is_typed_outside_the_markers(text):
    rest = re.sub(r"<!-- numbers.*?<!-- end of numbers[^>]*>", "", text, flags=re.S)
    rest = rest.replace("95%", "")  # of the intervals
    assert not re.findall(r"(?<![\d\w/.])0?\.\d{3}\b|\d%", rest)


def test_every_item_of_tripod_ai_has_its_place(text):
    table = text.split("## Reporting guidelines")[1]
    rows = [line.split("|")[2] for line in table.splitlines() if line.startswith("| ")][1:]
    numbers = {int(n) for row in rows for n in re.findall(r"\d+", row)}
    for first, last in re.findall(r"(\d+)[a-z]–(\d+)[a-z]", " ".join(rows)):
        numbers |= set(range(int(first), int(last) + 1))
    assert numbers == set(range(1, 28))


def test_every_relative_link_leads_somewhere(text):
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert links
    assert not [link for link in links if not (config.ROOT / link).exists()]


def test_a_frame_becomes_a_table():
    table = pd.DataFrame({"x": ["1"]}, index=pd.MultiIndex.from_tuples([("a", "b")]))
    assert card.markdown(table, "of") == "| of | x |\n|---|---|\n| a: b | 1 |"
