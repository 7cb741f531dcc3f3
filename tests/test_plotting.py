"""Figures show the data they are given: what is drawn is read back from the axes."""

from __future__ import annotations

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from helpers import config, plotting
from helpers.data import manifest
from helpers.evaluation import metrics as evaluation
from helpers.plotting import results, style


@pytest.fixture(autouse=True)
def closed():
    plotting.style.use_style()
    yield
    plt.close("all")


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    p = np.clip(rng.normal(0.3 + 0.4 * y, 0.2), 0, 1)
    return pd.DataFrame({"film": range(80), "patient": range(80), "y": y, "probability": p})


def estimate(**values):
    value = pd.Series(values)
    return pd.DataFrame({"value": value, "low": value - 0.02, "high": value + 0.02})


def drawn(ax):
    return [list(line.get_ydata()) for line in ax.lines]


def test_class_balance_draws_the_counts_and_tells_subtypes_apart_without_colour():
    counts = manifest.counts(manifest.read(), by="split")
    ax = plotting.data.class_balance(counts)
    films = [n for subtype in config.SUBTYPES for n in counts[subtype].iloc[::-1]]
    assert [text.get_text() for text in ax.texts] == [f"{n:,}" if n else "" for n in films]
    hatched = {bars.get_label(): bars.patches[0].get_hatch() for bars in ax.containers}
    assert hatched["bacterial"] != hatched["viral"]


def test_films_per_patient_draws_every_patient_once():
    ax = plotting.data.films_per_patient(films := manifest.read())
    assert sum(bar.get_height() for bar in ax.patches) == films["patient"].nunique()


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


def test_examples_show_one_film_a_patient_and_both_subtypes():
    films = manifest.read().query("part == 'training'").reset_index(drop=True)
    axes = plotting.data.examples(films, np.zeros((len(films), 4, 4), np.uint8), "PNEUMONIA")
    assert [ax.get_title(loc="center") for ax in axes] == ["bacterial"] * 4 + ["viral"] * 4


def test_the_mean_films_differ_by_the_difference_that_is_drawn():
    pictures = np.stack([np.full((4, 4), value, np.uint8) for value in (10, 20, 100, 120)])
    axes = plotting.data.mean_films(pictures, np.array([0, 0, 1, 1]))
    assert axes[2].images[-1].get_array().mean() == pytest.approx(95)


@pytest.mark.parametrize(("end", "finding"), [(0.4, "3, then worse by 100%"), (0.2, "no rise")])
def test_learning_curves_draw_both_losses_and_their_title_follows(end, finding):
    val_loss = [0.5, 0.3, 0.2, end]
    rows = {"epoch": [1, 2, 3, 4], "loss": [0.5, 0.4, 0.2, 0.1], "val_loss": val_loss}
    rows = pd.DataFrame(rows | {"seed": 1, "recall": 0.9, "val_recall": 0.9})
    recipe = SimpleNamespace(title="A", take="best")
    axes = results.learning_curves(SimpleNamespace(history=rows, chosen=1, recipe=recipe))
    assert drawn(axes[0]) == [list(rows["loss"]), val_loss, [0.2]], "last a dot at the kept epoch"
    assert finding in axes[0].get_title(loc="left")


def test_confusion_writes_counts_and_is_told_in_words(scores):
    counts = evaluation.confusion(scores, 0.5)
    ax = plotting.results.confusion(counts, "title")
    written = [text.get_text().split("\n")[0] for text in ax.texts]
    assert written == [str(n) for n in counts.to_numpy().ravel()]
    missed, found = counts.loc["PNEUMONIA"]
    assert f"Of {missed + found} films with pneumonia {missed} are" in style.describe(ax.figure)


def test_scores_keep_their_colours_and_share_a_legend_that_nothing_strikes_through(scores):
    axes = plotting.results.before_and_after(scores, scores, 0.5, "A")
    faces = {to_hex(patch.get_facecolor()) for patch in axes[0].patches}
    assert faces == {colour.lower() for colour in config.COLOURS.values()}
    assert set(config.LABELS) <= set(axes[1].get_legend_handles_labels()[1])
    assert axes[0].get_legend() is None
    axes[0].figure.draw_without_rendering()
    assert axes[1].get_legend().get_window_extent().y1 < axes[1].get_window_extent().y0


def test_roc_marks_each_networks_operating_point(scores):
    axes = plotting.results.roc_and_pr({"one": scores, "two": scores}, {"one": 0.5, "two": 0.3})
    dots = [line.get_xydata()[0] for line in axes[0].lines if line.get_marker() == "o"]
    for dot, threshold in zip(dots, (0.5, 0.3), strict=True):
        at = evaluation.point(scores, threshold)
        assert dot == pytest.approx([1 - at["specificity"], at["sensitivity"]])


def test_comparison_draws_intervals_with_labels_inward_at_the_ends():
    values = zip("ABC", (0, 0.5, 1), strict=True)
    tables = {name: estimate(**dict.fromkeys(results.METRICS, value)) for name, value in values}
    ax = plotting.results.comparison(tables)[0]
    spans = [tuple(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 2]
    assert spans == [tuple(table.loc["AUROC", ["low", "high"]]) for table in tables.values()]
    assert [text.get_ha() for text in ax.texts] == ["left", "center", "right"]


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
    title = "The gap narrows in AUROC (.100 to .020); it stays wide at the threshold (.550 to .400)"
    assert axes[0].figure.get_suptitle() == title


def test_seed_difference_darkens_what_is_clear_of_zero():
    seeds = pd.DataFrame(0.9, index=range(2), columns=results.METRICS)
    difference = estimate(AUROC=0.1, accuracy=0.01, sensitivity=-0.1, specificity=0)
    axes = plotting.results.seed_difference({"A": seeds, "B": seeds}, difference)
    colours = [line.get_color() for line in axes[1].lines if line.get_marker() == "o"]
    assert colours == [config.INK, config.FAINT] * 2


def test_functions_draw_on_the_axes_they_are_given(scores):
    _, (ax, *axes) = plt.subplots(ncols=3)
    assert plotting.results.confusion(evaluation.confusion(scores, 0.5), "title", ax) is ax
    assert list(plotting.results.before_and_after(scores, scores, 0.5, "A", axes)) == axes
    assert plt.get_fignums() == [1]
