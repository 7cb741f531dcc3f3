"""README, model card, pictures and slides are what the record says, and links lead somewhere."""

import copy
import hashlib
import json
import re

import jinja2
import pandas as pd
import pytest
import typst

from helpers import config, predict
from helpers.report import render, slides
from helpers.training import record

README, CARD = config.ROOT / "README.md", config.ROOT / "MODEL_CARD.md"
OTHERS = ("CONTRIBUTING", "docs/datasheet", "docs/checklist", "data/README", "data/results/README")
OTHERS += ("notebooks_archive/README",)
PAGES = [config.ROOT / name for name in (*render.PAGES, *(f"{name}.md" for name in OTHERS))]


@pytest.fixture(scope="module")
def facts():
    return render.facts() | {"printed": render.printed(), "example": predict.example().name}


@pytest.mark.parametrize("name", render.PAGES)
def test_a_page_is_what_its_template_gives(name, facts):
    committed = (config.ROOT / name).read_text(encoding="utf-8")
    assert render.page(name, facts) == committed, "stale: run `make readme`"


def test_a_sentence_that_no_longer_holds_or_a_name_that_nothing_fills_stops_the_rendering(facts):
    changed = facts | {"opened": dict.fromkeys(facts["opened"], pd.Timestamp(0))}
    with pytest.raises(RuntimeError, match="an earlier network was scored before it"):
        render.page("MODEL_CARD.md", changed)
    with pytest.raises(jinja2.UndefinedError, match="brier"):
        render.page("MODEL_CARD.md", {name: it for name, it in facts.items() if name != "brier"})


def test_the_page_on_speed_lists_what_was_measured_and_asks_why_it_was_missed(facts):
    missed = facts["measured"]["replay"]["lines"][1] | {"reached": False}
    measured = facts["measured"] | {"replay": facts["measured"]["replay"] | {"lines": [missed]}}
    page = render.page("docs/performance.md", facts | {"measured": measured})
    assert f"| {missed['what']} | {missed['value']} | {missed['must']} | **missed** |" in page
    measured["replay"] |= {"lines": [missed | {"what": "something new"}]}
    with pytest.raises(RuntimeError, match="what is missed has its reason"):
        render.page("docs/performance.md", facts | {"measured": measured})


@pytest.mark.parametrize(("name", "most"), [("README.md", 1000), ("MODEL_CARD.md", 1150)])
def test_a_page_is_short(name, most, facts):
    words = re.findall(r"[^\s|]*\w[^\s|]*", render.page(name, facts))
    assert len(words) <= most
    print(f"{name}: {len(words)} words")


@pytest.mark.parametrize("name", render.PAGES)
def test_no_result_is_typed_into_a_template(name):
    text = (render.TEMPLATES / f"{name}.j2").read_text(encoding="utf-8")
    text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.S).replace("95%", "")
    assert not re.findall(r"(?<![\d\w/.])0?\.\d{3}\b|\d%(?!\")", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(config.ROOT)))
def test_every_relative_link_leads_somewhere(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'src="([^"]+)"', text)
    local = [link for link in links if "://" not in link and "/actions/" not in link]
    assert local
    assert not [link for link in local if not (page.parent / link).exists()]


def test_every_chapter_that_the_readme_names_is_there():
    notebook = json.loads(config.NOTEBOOK.read_text(encoding="utf-8"))
    prose = "\n".join("".join(cell["source"]) for cell in notebook["cells"])
    anchors = set(re.findall(r'<a id="([^"]+)"></a>', prose))
    named = re.findall(r"final_notebook\.ipynb#([\w-]+)", README.read_text(encoding="utf-8"))
    assert len(set(named)) >= 6
    assert set(named) <= anchors


def test_every_make_target_that_is_named_exists():
    text = README.read_text("utf-8") + (config.ROOT / "CONTRIBUTING.md").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (config.ROOT / "Makefile").read_text(), flags=re.M))
    named = {w for line in re.findall(r"[`$] ?make ([a-z ]+)", text) for w in line.split()}
    assert {"run", "test", "train"} <= named <= targets


def test_images_are_drawn_from_the_record_as_it_is_and_every_one_is_used():
    images = list(config.IMAGES.iterdir())
    assert {path.stem for path in images} == set(render.PICTURES)
    pages = "".join(page.read_text(encoding="utf-8") for page in [*PAGES, config.NOTEBOOK])
    assert not [path.name for path in images if f"images/{path.name}" not in pages]
    drawn_from = f"record {record.state(config.RESULTS)}".encode()
    stale = [path for path in images if drawn_from not in path.read_bytes()]
    assert not stale, "run `make images`"


# -- the card ----------------------------------------------------------------------------------


def test_the_card_has_the_parts_of_mitchell_et_al():
    parts = {"Model details", "Intended use", "Factors", "Metrics", "Training and evaluation data"}
    parts |= {"Quantitative analyses", "Ethical considerations", "Caveats and recommendations"}
    headings = re.findall(r"^## (.+)$", CARD.read_text(encoding="utf-8"), flags=re.M)
    assert parts <= set(headings)


def test_every_item_of_tripod_ai_has_its_place():
    table = (config.ROOT / "docs" / "checklist.md").read_text(encoding="utf-8")
    rows = [line.split("|")[2] for line in table.splitlines() if line.startswith("| ")][1:]
    numbers = {int(n) for row in rows for n in re.findall(r"\d+", row)}
    for first, last in re.findall(r"(\d+)[a-z]–(\d+)[a-z]", " ".join(rows)):
        numbers |= set(range(int(first), int(last) + 1))
    assert numbers == set(range(1, 28))


# -- targets and peers -------------------------------------------------------------------------


def test_every_peer_can_be_looked_up_and_names_its_threshold(facts):
    known = facts["peers"]
    assert known["source"].str.startswith("https://").all()
    assert known["threshold"].isin(["0.5", "not stated"]).all()
    assert known["readme"].eq("yes").sum() <= 6


@pytest.mark.parametrize("table", ["targets", "steadiness"])
def test_a_target_is_missed_or_reached_as_its_numbers_say(table, facts):
    for row in facts[table].itertuples():
        most, value = row.must.startswith("at most"), float(row.result.split()[0])
        goals = [float(goal.split()[-1]) for goal in (row.must, row.aim) if goal != "–"]
        met = sum(value <= goal if most else value >= goal for goal in goals)
        assert row.verdict == ("missed", "reached", "aim reached")[met]


# -- slides: hold only while the record bears them out, and repeat -----------------------------


def test_the_talk_is_short_wide_and_the_same_in_every_build(facts, tmp_path_factory):
    for folder in (folders := [tmp_path_factory.mktemp(name) for name in "ab"]):
        slides.pictures(folder)
    first, second = (slides.build(folder, facts) for folder in folders)
    assert first.startswith(b"%PDF")
    assert first == second, "the slides differ from build to build"
    assert b"CreationDate" not in first
    boxes = re.findall(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", first)
    assert len(boxes) == 9, "seven and an appendix of two"
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
    changed["networks"]["final"]["test"].loc["specificity"] = 0.5, 0.4, 0.6
    slides.pictures(tmp_path)
    with pytest.raises(typst.TypstError, match="more than the simpler networks"):
        slides.build(tmp_path, changed)


def test_no_result_is_typed_into_the_source_and_no_type_is_tiny():
    source = slides.SOURCE.read_text(encoding="utf-8")
    assert not re.findall(r"(?<![\d\w/.])0?\.\d{3}\b(?!\))|\d\.\d%", source)
    assert min(map(float, re.findall(r"size: ([\d.]+)pt", source))) >= 14


def test_without_a_record_there_are_no_slides(tmp_path):
    with pytest.raises(record.RecordError):
        slides.write(tmp_path / "talk.pdf", tmp_path)
    assert not (tmp_path / "talk.pdf").exists()
