"""The slides are built from a record, tell its numbers, and fit on their pages."""

from __future__ import annotations

import hashlib
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from helpers import dataset, manifest, recipes, record, slides, telling
from helpers.study import Study


def write_record(root, parted=3.0):
    """Write a made-up study under ``root``: on test films, scores lie nearer to each other."""
    facts = manifest.read()
    scored = facts[facts["part"] != "training"].groupby("part").sample(150, random_state=1)
    sick, test = (scored["label"] == "PNEUMONIA").to_numpy(), (scored["part"] == "test").to_numpy()
    rng = np.random.default_rng(1)
    for place, recipe in enumerate(recipes.STUDY.values()):
        rows = []
        for seed in recipe.seeds:
            clear = (parted + 0.2 * place) * np.where(test, 0.7, 1.0) * (place > 0)
            logit = clear * (sick - 0.5) + 1.2 * rng.normal(size=len(scored)) + test
            probability = 1 / (1 + np.exp(-logit)) if place else np.ones(len(scored))
            rows.append(
                scored[["film"]].assign(split=scored["part"], seed=seed, probability=probability)
            )
        history = pd.DataFrame(
            {"epoch": [1, 2], "loss": [0.6, 0.4], "val_loss": [0.5, 0.4], "seed": 1}
        )
        circumstances = {
            "films_digest": manifest.digest(facts),
            "films": facts["part"].value_counts().to_dict(),
            "schedule": "full",
            "parameters": 12_345 * place,
            "training_seconds": {str(seed): 60.0 for seed in recipe.seeds},
        }
        found = record.Record(pd.concat(rows, ignore_index=True), history, circumstances)
        record.write(root, recipe, found)
    return root


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
def results(tmp_path_factory):
    """A made-up study."""
    return write_record(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def pages(results):
    """The slides, laid out."""
    with plt.rc_context(slides.RC):
        drawn = slides.draw(results)
        for page in drawn:
            FigureCanvasAgg(page).draw()
    return drawn


def texts(page):
    """The texts that a page shows."""
    return [text for text in page.findobj(Text) if text.get_visible() and text.get_text().strip()]


def words(pages):
    """All that the slides say, in one line."""
    return " ".join(" ".join(t.get_text() for p in pages for t in texts(p)).split())


def test_the_talk_is_short_and_wide(pages):
    assert 10 <= len(pages) <= 14
    for page in pages:
        width, height = page.get_size_inches()
        assert width / height == pytest.approx(16 / 9, abs=1e-3)


def test_two_builds_are_equal(tmp_path, results):
    first, second = (slides.write(tmp_path / name, results).read_bytes() for name in "ab")
    assert first.startswith(b"%PDF")
    # Digests, because pytest would spend minutes on telling where two such files differ.
    assert hashlib.sha256(first).digest() == hashlib.sha256(second).digest()
    assert b"CreationDate" not in first
    assert len(re.findall(rb"/Type /Page\b", first)) == len(slides.SLIDES)


def test_the_numbers_are_the_records(pages, results):
    final = Study(results=results).run("final")
    table = final.estimate("test")
    told = words(pages)
    assert telling.percent(table.loc["sensitivity"]) in told
    assert telling.percent(table.loc["specificity"]) in told
    assert telling.share(table.loc["AUROC"]) in told
    assert "**" not in told


def test_every_text_lies_on_its_page_and_none_is_tiny(pages):
    for page in pages:
        width, height = page.bbox.width, page.bbox.height
        for text in page.texts:
            box = text.get_window_extent()
            inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
            assert inside, text.get_text()
        assert min(text.get_fontsize() for text in texts(page)) >= slides.FOOT


def test_texts_and_figures_do_not_overlap(pages):
    for page in pages:
        boxes = [(text.get_text(), text.get_window_extent()) for text in page.texts]
        figures = [*page.subfigs, *(ax for ax in page.axes if ax.figure is page)]
        drawn = [(figure, figure.get_tightbbox()) for figure in figures]
        for position, (words_here, box) in enumerate(boxes):
            for other, beside in boxes[position + 1 :] + drawn:
                assert not box.overlaps(beside), (words_here, other)


def test_every_network_has_its_idea():
    assert set(slides.IDEAS) == set(recipes.STUDY)


@pytest.mark.parametrize(("test", "fallen"), [((0.2, 0.3), True), ((0.6, 0.9), False)])
def test_a_fall_is_told_only_where_there_is_one(pages, results, test, fallen):
    told = slides.story(results)
    for part, (low, high) in ((told.before, (0.7, 0.8)), (told.after, test)):
        part[told.final].loc["specificity"] = (low + high) / 2, low, high
    with plt.rc_context(slides.RC):
        said = words([slides.limits(told), slides.steps(told)])
    assert ("a fall beyond chance." in said) is fallen
    assert ("more false alarms" in said) is fallen


def test_without_a_record_there_are_no_slides(tmp_path):
    with pytest.raises(record.RecordError):
        slides.write(tmp_path / "talk.pdf", tmp_path)
    assert not (tmp_path / "talk.pdf").exists()
