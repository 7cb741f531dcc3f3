"""Figures show the data they are given: what is drawn is read back from the axes."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from helpers import config, plotting
from helpers.data import manifest
from helpers.evaluation import metrics as evaluation
from helpers.plotting import results, style
from helpers.training.recipes import Recipe
from helpers.training.record import Record
from helpers.training.study import Result
from tests.test_evaluation import frame


@pytest.fixture(autouse=True)
def closed():
    plotting.style.use_style()
    yield
    plt.close("all")


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    return frame(y, np.clip(rng.normal(0.3 + 0.4 * y, 0.2), 0, 1))


def estimate(**values):
    value = pd.Series(values)
    return pd.DataFrame({"value": value, "low": value - 0.02, "high": value + 0.02})


def drawn(ax):
    return [list(line.get_ydata()) for line in ax.lines]


def test_a_grid_frames_films_in_the_colour_of_their_class_and_says_its_text():
    pictures, labels = np.zeros((2, 8, 8), np.uint8), list(config.LABELS)
    axes = plotting.data.films(
        pictures, 2, "Two", "Black squares", label=labels, caption=["a", "b"]
    )
    for ax, label in zip(axes, labels, strict=True):
        assert to_hex(ax.spines["left"].get_edgecolor()) == config.COLOURS[label].lower()
    assert style.describe(axes[0].figure) == "Two. Black squares."


def test_a_film_carries_its_map_its_outline_and_its_box_in_place():
    mask = np.zeros((8, 8), bool)
    mask[2:6, 2:6] = True
    drawn_on = {"mask": mask, "box": (0.25, 0.75, 0.125, 0.5), "heat": np.ones((2, 2))}
    ax = plotting.data.film(plt.subplots()[1], np.zeros((4, 4)), **drawn_on)
    assert [image.get_extent() for image in ax.images] == [[0, 1, 1, 0]] * 2
    assert ax.images[0].get_clim() == (0, 255)
    assert tuple(ax.lines[0].get_xydata().min(axis=0)) == (0.125, 0.25), "left, top"
    outline = ax.collections[0].get_paths()[0].vertices
    assert (outline.min(), outline.max()) == pytest.approx((0.25, 0.75))


@pytest.mark.parametrize(
    ("label", "each"), [("NORMAL", (8, 0, 0)), ("PNEUMONIA", (0, 4, 4)), ("", (4, 4, 4))]
)
def test_examples_show_films_by_subtype(label, each):
    films = manifest.read().query("part == 'training'").reset_index(drop=True)
    axes = plotting.data.examples(films, np.zeros((len(films), 4, 4), np.uint8), label)
    shown = [ax.get_title(loc="center") for ax in axes]
    assert shown == list(np.repeat(config.SUBTYPES, each))


def test_the_mean_films_differ_by_the_difference_that_is_drawn():
    pictures = np.stack([np.full((4, 4), value, np.uint8) for value in (10, 20, 100, 120)])
    axes = plotting.data.mean_films(pictures, np.array([0, 0, 1, 1]), "title")
    assert axes[2].images[-1].get_array().mean() == pytest.approx(95)


@pytest.mark.parametrize(
    ("settings", "finding", "kept"),
    [
        ({}, "A: validation loss is lowest at epoch 3", 0.2),
        ({"take": "last", "average": True}, "A: 1 members, with their last weights", 0.4),
    ],
)
def test_the_loss_is_drawn_with_a_dot_at_the_weights_that_count(settings, finding, kept):
    rows = {"epoch": [1, 2, 3, 4], "loss": [0.5, 0.4, 0.2, 0.1], "val_loss": [0.9, 0.3, 0.2, 0.4]}
    history, recipe = pd.DataFrame(rows | {"seed": 1}), Recipe(name="a", title="A", **settings)
    ax = results.loss(Result(recipe, Record(pd.DataFrame(), history, {}), None, None))
    assert drawn(ax) == [rows["loss"], rows["val_loss"], [kept]]
    assert ax.get_title(loc="left") == finding
    assert "ends at 0.8" in ax.get_ylabel()


def test_confusions_write_counts_and_are_told_in_words(scores):
    counts = evaluation.confusion(scores, 0.5)
    axes = results.confusions({"A": scores, "B": scores}, "title")
    written = [text.get_text().split("\n")[0] for text in axes[1].texts]
    assert written == [str(n) for n in counts.to_numpy().ravel()]
    assert f"{counts.loc['PNEUMONIA', 'NORMAL']} of the sick missed" in style.describe(
        axes[0].figure
    )
    assert not any(ax.axison for ax in axes[2:])


def test_validation_against_test_says_which_way_it_goes():
    before, after = ({"A": estimate(**dict.fromkeys(results.METRICS, v))} for v in (0.9, 0.8))
    ax = plotting.results.validation_against_test(before, after)[0]
    assert "falls .100 on average" in ax.get_title(loc="center")


def test_the_key_figure_shows_what_the_threshold_keeps_beside_auroc():
    before = {"A": estimate(AUROC=0.99, specificity=0.95), "B": estimate(AUROC=1, specificity=0.9)}
    after = {"A": estimate(AUROC=0.89, specificity=0.4), "B": estimate(AUROC=0.98, specificity=0.5)}
    axes = plotting.results.story(before, after)
    for ax, metric in zip(axes, ("AUROC", "specificity"), strict=True):
        for a, b in ([table.loc[metric, "value"] for table in t.values()] for t in (before, after)):
            assert [a, b] in drawn(ax)
    accent = [line for line in axes[1].lines if line.get_color() == config.ACCENT]
    assert list(accent[0].get_ydata()) == [0.5], "the last network's, on test"
    assert "starts at" in axes[0].get_ylabel()


def test_functions_draw_on_the_axes_they_are_given(scores):
    _, axes = plt.subplots(ncols=2, squeeze=False)
    axes = list(axes[0])
    assert list(plotting.data.films([np.zeros((8, 8))] * 2, 2, axes=axes)) == axes
    assert plt.get_fignums() == [1]
