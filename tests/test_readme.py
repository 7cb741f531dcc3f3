"""README and pictures are what the record says, and links lead somewhere."""

from __future__ import annotations

import json
import re

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from helpers import config
from helpers.evaluation import metrics
from helpers.plotting import results
from helpers.report import front, images, readme
from helpers.training import record
from helpers.training.study import Study

README = config.ROOT / "README.md"
PAGES = [
    README,
    config.ROOT / "CONTRIBUTING.md",
    config.ROOT / "MODEL_CARD.md",
    config.ROOT / "data" / "README.md",
    config.RESULTS / "README.md",
    config.ROOT / "notebooks_archive" / "README.md",
]


def test_the_numbers_in_the_readme_are_those_of_the_record():
    text = README.read_text(encoding="utf-8")
    assert readme.filled(text) == text, "README.md is stale: run `make readme`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(config.ROOT)))
def test_every_relative_link_leads_somewhere(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'src="([^"]+)"', text)
    local = [link for link in links if "://" not in link]
    assert local
    assert not [link for link in local if not (page.parent / link).exists()]


def test_images_holds_what_the_gallery_draws_and_nothing_else():
    assert {path.name for path in config.IMAGES.iterdir()} == set(images.PICTURES)


@pytest.mark.parametrize("path", [config.SLIDES, *sorted(config.IMAGES.glob("*.png"))], ids=str)
def test_slides_and_pictures_were_drawn_from_the_record_as_it_is(path):
    drawn_from = f"record {record.state(config.RESULTS)}".encode()
    assert drawn_from in path.read_bytes(), f"{path.name} is stale: run `make images slides`"


def test_every_make_target_in_the_readme_exists():
    text = README.read_text(encoding="utf-8")
    makefile = (config.ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.M))
    named = {word for line in re.findall(r"`make ([a-z ]+)`", text) for word in line.split()}
    assert named
    assert named <= targets


def test_filling_puts_the_text_between_its_markers_and_nowhere_else():
    start, end = (marker.format(name="x") for marker in readme.MARKERS)
    text = f"before {start}\nold\n{end} after"
    filled = readme.fill(text, "x", "new")
    assert filled == f"before {start}\nnew\n{end} after"
    assert readme.fill(filled, "x", "new") == filled


@pytest.mark.parametrize("text", ["no markers", "{end} {start}", "{start} {start} {end}"])
def test_filling_refuses_a_text_without_its_markers(text):
    start, end = (marker.format(name="x") for marker in readme.MARKERS)
    with pytest.raises(ValueError, match="markers"):
        readme.fill(text.format(start=start, end=end), "x", "new")


def test_every_picture_is_used_somewhere():
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    pages += config.NOTEBOOK.read_text(encoding="utf-8")
    assert not [name for name in images.PICTURES if f"images/{name}" not in pages]


def test_every_chapter_that_the_readme_names_is_there():
    notebook = json.loads(config.NOTEBOOK.read_text(encoding="utf-8"))
    prose = "\n".join("".join(cell["source"]) for cell in notebook["cells"])
    anchors = {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in re.findall(r"^## (.+)$", prose, flags=re.M)
    }
    anchors |= set(re.findall(r'<a id="([^"]+)"></a>', prose))
    named = re.findall(r"final_notebook\.ipynb#([\w-]+)", README.read_text(encoding="utf-8"))
    assert len(set(named)) >= 6
    assert set(named) <= anchors


# -- the front page's tables and sentences -----------------------------------------------------


def estimate(**values):
    """An estimate with an interval of .02 either way for each metric given."""
    rows = {m: {"value": v, "low": v - 0.02, "high": v + 0.02} for m, v in values.items()}
    return pd.DataFrame(rows).T


@pytest.fixture
def ours():
    return estimate(AUROC=0.95, sensitivity=0.95, accuracy=0.90, specificity=0.80)


@pytest.fixture
def few_peers(tmp_path):
    path = tmp_path / "peers.csv"
    path.write_text(
        "study,detail,accuracy,sensitivity,specificity,AUROC,source\n"
        "A,one,.95,.95,.90,.90,https://a.org\n"
        "B,two,.95,,,.96,nowhere\n"
    )
    return path


def test_a_published_figure_inside_our_interval_is_neither_above_nor_below(ours, few_peers):
    table = front.places(ours, few_peers)
    assert dict(table.loc["AUROC"]) == {"better": 1, "level": 1, "worse": 0, "of": 2}
    assert dict(table.loc["accuracy"]) == {"better": 0, "level": 0, "worse": 2, "of": 2}
    text = front.places_told(table)
    assert "worse than most in accuracy and specificity" in text
    assert "among them in AUROC and sensitivity" in text


def test_peers_stand_with_their_source_or_with_its_absence_and_ours_last(ours, few_peers):
    rows = front.peers_table(ours, few_peers).splitlines()
    assert "[A](https://a.org), one" in rows[2]
    assert "B, two (nowhere)" in rows[3]
    assert rows[-1].startswith("| **this study, final network** | .900 [.880, .920] |")


def test_a_peer_that_did_as_we_did_is_set_beside_us(ours, few_peers):
    text = front.alike_told(ours, ["A"], few_peers)
    assert "A is better in accuracy (.950 against .900) and specificity (.900 against" in text
    assert "level in sensitivity (.950 against .950)" in text
    assert "worse in AUROC (.900 against .950)" in text


def test_what_is_not_known_of_a_peer_is_unknown_and_not_no():
    told, table = pd.read_csv(front.PRACTICE), front.practices()
    assert not told.duplicated(["property", "study"]).any()
    assert set(told["study"]) <= {front.OURS, *pd.read_csv(config.PEERS)["study"]}
    assert (table == front.UNKNOWN).sum().sum() == table.size - len(told)
    assert not (table[front.OURS] == front.UNKNOWN).any()


def test_every_link_of_our_practice_leads_somewhere():
    told = pd.read_csv(front.PRACTICE).query("study == @front.OURS")
    assert all((config.ROOT / link.split("#")[0]).exists() for link in told["because"])


def test_targets_are_sorted_into_reached_and_missed():
    table = pd.DataFrame({"what": ["a (1)", "b (2)", "c (3)"], "reached": [True, False, False]})
    text = front.targets_told(table)
    assert text.startswith("**1 of 3 targets")
    assert text.endswith("Reached: a (1). Missed: b (2); c (3).")


def test_a_target_is_reached_where_the_value_is():
    final = Study().run("final")
    table = front.targets(final).set_index("what")["reached"]
    value = final.estimate("test").loc["specificity", "value"]
    row = table[[what for what in table.index if what.startswith("specificity")]]
    assert len(table) == 7
    assert row.index[0].startswith(f"specificity ({metrics.short(value)}, at least .870)")
    assert row.iloc[0] == (value >= 0.87)


def test_the_forerunners_result_is_told_as_known():
    results = Study().run_all()
    forerunner = results["residual"].estimate("test").loc["AUROC", "value"]
    text = front.known_told(results)
    assert "before it" in text
    assert f"AUROC {metrics.short(forerunner)}" in text


def test_the_commands_shown_are_those_of_the_makefile():
    makefile = (config.ROOT / "Makefile").read_text(encoding="utf-8").replace("$(BIN)", ".venv/bin")
    shown = [line for line in front.commands(9).splitlines() if ".venv/bin" in line]
    assert len(shown) == 5
    assert all(f"\t{line}\n" in makefile for line in shown)


# -- the key figure ----------------------------------------------------------------------------


def test_the_key_figure_shows_what_the_threshold_keeps_beside_auroc():
    before = {"A": estimate(AUROC=0.99, specificity=0.95), "B": estimate(AUROC=1, specificity=0.9)}
    after = {"A": estimate(AUROC=0.89, specificity=0.4), "B": estimate(AUROC=0.98, specificity=0.5)}
    ax = results.story(before, after)
    drawn = [set(line.get_ydata()) for panel in ax.figure.axes for line in panel.lines]
    plt.close(ax.figure)
    for tables in (before, after):
        for metric in ("AUROC", "specificity"):
            assert {table.loc[metric, "value"] for table in tables.values()} in drawn
    finding = results.story_finding(before, after)
    assert "narrows in AUROC (.100 to .020)" in finding
    assert "stays wide at the threshold (.550 to .400)" in finding
