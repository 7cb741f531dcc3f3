"""README, model card and pictures are what the record says, and links lead somewhere."""

from __future__ import annotations

import json
import re

import jinja2
import pandas as pd
import pytest

from helpers import config, predict
from helpers.report import render, tables
from helpers.training import record

README, CARD = (config.ROOT / name for name in render.PAGES)
OTHERS = ("CONTRIBUTING", "data/README", "data/results/README", "notebooks_archive/README")
PAGES = [README, CARD, *(config.ROOT / f"{name}.md" for name in OTHERS)]


@pytest.fixture(scope="module")
def facts():
    return render.facts() | {"printed": "as it prints", "example": predict.example().name}


def test_the_pages_are_what_the_templates_give(tmp_path):
    for path in render.write(tmp_path):
        committed = (config.ROOT / path.name).read_text(encoding="utf-8")
        assert path.read_text(encoding="utf-8") == committed, "stale: run `make readme`"


def test_a_sentence_that_no_longer_holds_stops_the_rendering(facts):
    changed = facts | {"opened": dict.fromkeys(facts["opened"], pd.Timestamp(0))}
    with pytest.raises(RuntimeError, match="an earlier network was scored before it"):
        render.page("README.md", changed)


def test_a_name_that_nothing_fills_stops_the_rendering(facts):
    with pytest.raises(jinja2.UndefinedError, match="refused"):
        render.page("README.md", {name: it for name, it in facts.items() if name != "refused"})


def test_the_speed_section_lists_what_the_benchmark_recorded(facts):
    rows = [{"what": "training", "value": "2 times", "must": "1.5"}]
    rows += [{"what": "memory", "value": "1 GB", "must": None}]
    section = "## Speed\n\n* training: 2 times; target 1.5\n* memory: 1 GB\n\n## Limits"
    assert section in render.page("README.md", facts | {"benchmark": rows})
    assert "## Speed" not in render.page("README.md", facts | {"benchmark": []})


@pytest.mark.parametrize("name", render.PAGES)
def test_no_result_is_typed_into_a_template(name):
    text = (render.TEMPLATES / f"{name}.j2").read_text(encoding="utf-8")
    text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.S)
    text = text.replace("95%", "").replace("sensitivity and a specificity of 99%", "")
    assert not re.findall(r"(?<![\d\w/.])0?\.\d{3}\b|\d%(?!\")", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(config.ROOT)))
def test_every_relative_link_leads_somewhere(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'src="([^"]+)"', text)
    local = [link for link in links if "://" not in link]
    assert local
    assert not [link for link in local if not (page.parent / link).exists()]


def test_every_chapter_that_the_readme_names_is_there():
    notebook = json.loads(config.NOTEBOOK.read_text(encoding="utf-8"))
    prose = "\n".join("".join(cell["source"]) for cell in notebook["cells"])
    anchors = set(re.findall(r'<a id="([^"]+)"></a>', prose))
    named = re.findall(r"final_notebook\.ipynb#([\w-]+)", README.read_text(encoding="utf-8"))
    assert len(set(named)) >= 6
    assert set(named) <= anchors


def test_every_make_target_and_command_in_the_readme_exists():
    text = README.read_text(encoding="utf-8")
    makefile = (config.ROOT / "Makefile").read_text(encoding="utf-8").replace("$(BIN)", ".venv/bin")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.M))
    named = {word for line in re.findall(r"`make ([a-z ]+)`", text) for word in line.split()}
    assert named
    assert named <= targets
    shown = text.split("$ make run\n")[1].split("```")[0].splitlines()
    commands = [line for line in shown if ".venv/bin" in line]
    assert len(commands) == 5
    assert all(f"\t{line}\n" in makefile for line in commands)


def test_images_holds_what_is_drawn_and_every_picture_is_used():
    assert {path.name for path in config.IMAGES.iterdir()} == set(render.PICTURES)
    pages = "".join(page.read_text(encoding="utf-8") for page in [*PAGES, config.NOTEBOOK])
    assert not [name for name in render.PICTURES if f"images/{name}" not in pages]


def test_pictures_were_drawn_from_the_record_as_it_is():
    drawn_from = f"record {record.state(config.RESULTS)}".encode()
    stale = [path for path in config.IMAGES.iterdir() if drawn_from not in path.read_bytes()]
    assert not stale, "run `make images`"


# -- the card ----------------------------------------------------------------------------------


def test_the_card_has_the_parts_of_mitchell_et_al():
    parts = {"Model details", "Intended use", "Factors", "Metrics", "Training and evaluation data"}
    parts |= {"Quantitative analyses", "Ethical considerations", "Caveats and recommendations"}
    headings = re.findall(r"^## (.+)$", CARD.read_text(encoding="utf-8"), flags=re.M)
    assert parts <= set(headings)


def test_every_item_of_tripod_ai_has_its_place():
    table = CARD.read_text(encoding="utf-8").split("## Reporting guidelines")[1]
    rows = [line.split("|")[2] for line in table.splitlines() if line.startswith("| ")][1:]
    numbers = {int(n) for row in rows for n in re.findall(r"\d+", row)}
    for first, last in re.findall(r"(\d+)[a-z]–(\d+)[a-z]", " ".join(rows)):
        numbers |= set(range(int(first), int(last) + 1))
    assert numbers == set(range(1, 28))


# -- targets and peers -------------------------------------------------------------------------


def test_what_the_readme_says_of_the_peers_is_what_is_known_of_them():
    known = pd.read_csv(config.PEERS.with_name("practice.csv"))
    assert not known.duplicated(["property", "study"]).any()
    ours = known[known["study"] == "this study"]
    assert all((config.ROOT / link.split("#")[0]).exists() for link in ours["because"])
    theirs = known[known["study"] != "this study"]
    assert set(theirs["study"]) <= set(pd.read_csv(config.PEERS)["study"])
    alike = theirs["property"].isin(["test films in no choice", "threshold from validation"])
    yes = theirs[alike & (theirs["answer"] == "yes")]["study"].value_counts()
    assert list(yes.index[yes == 2]) == ["EfficientNetB0 ensemble"]
    rest = theirs[~alike & (theirs["property"] != "intervals")]
    assert set(rest["answer"]) == {"no"}, "none is known to"


def test_a_target_is_reached_where_the_value_is(facts):
    table, test = facts["targets"], facts["networks"]["final"]["test"]["value"]
    assert len(table) == 7
    for metric, least in {"AUROC": 0.985, "accuracy": 0.93, "specificity": 0.87}.items():
        assert table.loc[metric, "reached"] == (test[metric] >= least)
        assert table.loc[metric, "target"].startswith(f"at least {tables.metrics.short(least)}")
