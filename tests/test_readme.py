"""README and pictures are what the record says, and links lead somewhere."""

from __future__ import annotations

import json
import re

import pytest

from helpers import config, gallery, readme, record

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
    assert {path.name for path in config.IMAGES.iterdir()} == set(gallery.PICTURES)


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
    assert not [name for name in gallery.PICTURES if f"images/{name}" not in pages]


def test_every_chapter_that_the_readme_names_is_there():
    notebook = json.loads(config.NOTEBOOK.read_text(encoding="utf-8"))
    prose = "\n".join("".join(cell["source"]) for cell in notebook["cells"])
    anchors = {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in re.findall(r"^## (.+)$", prose, flags=re.M)
    }
    named = re.findall(r"final_notebook\.ipynb#([\w-]+)", README.read_text(encoding="utf-8"))
    assert len(set(named)) >= 6
    assert set(named) <= anchors
