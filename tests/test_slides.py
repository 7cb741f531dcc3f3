"""The slides are built from a record, tell its numbers, and fit on their pages."""

from __future__ import annotations

import hashlib
import itertools
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from helpers import config
from helpers.data import dataset, manifest
from helpers.evaluation import decisions
from helpers.report import deck, layout, slides, tables
from helpers.training import recipes, record
from helpers.training.study import Study


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
    assert tables.percent(table.loc["sensitivity"]) in told
    assert tables.percent(table.loc["specificity"]) in told
    assert tables.share(table.loc["AUROC"]) in told
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


def test_only_sources_and_page_numbers_are_small(pages):
    for page in pages:
        small = [t for t in texts(page) if t.get_fontsize() < layout.LEAST]
        assert layout.LEAST >= 16
        assert all(text.get_position()[1] < 0.1 for text in small), [t.get_text() for t in small]


def test_no_title_needs_the_word_auroc(pages):
    for page in pages:
        heads = [t.get_text() for t in page.texts if t.get_fontsize() >= layout.TITLE]
        assert heads
        assert "AUROC" not in " ".join(heads)


def test_every_network_has_its_idea():
    assert set(deck.IDEAS) == set(recipes.STUDY)


@pytest.mark.parametrize(("test", "fallen"), [((0.2, 0.3), True), ((0.6, 0.9), False)])
def test_a_fall_is_told_only_where_there_is_one(pages, results, test, fallen):
    told = slides.story(results)
    for part, (low, high) in ((told.before, (0.7, 0.8)), (told.after, test)):
        part[told.final].loc["specificity"] = (low + high) / 2, low, high
    with plt.rc_context(slides.RC):
        said = words([slides.limits(told)])
    assert ("a fall beyond chance." in said) is fallen
    assert ("more false alarms" in said) is fallen


def test_without_a_record_there_are_no_slides(tmp_path):
    with pytest.raises(record.RecordError):
        slides.write(tmp_path / "talk.pdf", tmp_path)
    assert not (tmp_path / "talk.pdf").exists()


def estimates(**values):
    """A made-up estimate, each value with .01 to either side."""
    table = pd.DataFrame({"value": values})
    return table.assign(low=table["value"] - 0.01, high=table["value"] + 0.01)


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        ((0.985, 0.90, 0.98), "Level with the best published in ranking; fewer misses than any"),
        ((0.995, 0.95, 0.90), "Behind the best published in ranking; as few misses as any"),
        ((0.900, 0.99, 0.50), "Ahead of the best published in ranking; more misses than some"),
    ],
)
def test_the_place_among_peers_is_read_off_the_table(theirs, told):
    ours = estimates(AUROC=0.98, accuracy=0.9, sensitivity=0.95, specificity=0.8)
    area, found, spared = theirs
    peers = pd.DataFrame(
        {"AUROC": [area, None], "sensitivity": [found, None], "specificity": [spared, None]}
    )
    alarms = "more" if spared > 0.8 else "fewer"
    assert deck.standing(ours, peers) == f"{told}, {alarms} false alarms than most"


@pytest.mark.parametrize("more", [2, 30])
def test_any_number_of_peers_fits(results, tmp_path, monkeypatch, more):
    table = pd.read_csv(config.PEERS)
    longer = pd.concat([table, *[table.head(1)] * more], ignore_index=True)
    longer.to_csv(tmp_path / "peers.csv", index=False)
    monkeypatch.setattr(config, "PEERS", tmp_path / "peers.csv")
    with plt.rc_context(slides.RC):
        page = slides.peers(slides.story(results))
        layout.settle(page)
    test_only_sources_and_page_numbers_are_small([page])
    test_every_text_lies_on_its_page_and_none_is_tiny([page])
    test_texts_and_figures_do_not_overlap([page])
    names = [t for ax in page.axes for t in ax.get_yticklabels() if t.get_text()]
    heights = [name.get_window_extent() for name in names[: len(longer) + 1]]
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(heights))


@pytest.mark.filterwarnings("ignore:All-NaN")  # nobody called: no precision
def test_a_thousand_children_are_a_thousand(results):
    scores = Study(results=results).run("final").scores("test")
    stakes = decisions.Stakes(miss=10, alarm=1, prevalence=0.2)
    nobody, all_called = deck.thousand(scores, 1.1, stakes), deck.everybody(stakes)
    assert nobody.loc["missed", "value"] == pytest.approx(200)
    assert nobody.loc["alarmed", "value"] == pytest.approx(0)
    assert (nobody["low"] <= nobody["value"] + 1e-9).all()
    assert all_called.loc["alarmed", "value"] == pytest.approx(800)


def test_a_cheaper_half_does_not_move_the_rule_and_the_slide_says_why():
    ours = pd.DataFrame({"value": {"missed": 1.0, "alarmed": 300.0, "cost": 9.0}})
    cheap, dear = (ours.assign(value=[2.0, 100.0, cost]) for cost in (5.0, 20.0))
    assert "miss 2 instead of 1, alarm 100 instead of 300" in deck.rule_stands(ours, cheap)
    assert "proves nothing" in deck.rule_stands(ours, cheap)
    assert "costs no more" in deck.rule_stands(ours, dear)


def test_the_slides_say_that_a_test_result_was_known_before_the_cure():
    assert "was known before a cure was sought" in deck.foreknown_told()


def test_a_gain_that_no_validation_showed_is_called_a_lead():
    views = ["the lungs cut out", "the whole film"]
    members = pd.DataFrame({"sees": views, "validation": [0.9, 0.8], "test": [0.9, 0.8]})
    members["against the stereotype"] = [0.7, 0.8]
    assert deck.helped_told(members).startswith("Ordinary validation would have told us.")
    members["validation"] = [0.8, 0.9]
    assert deck.helped_told(members).startswith("Neither of the two validations")
