"""Figures show the data they are given: what is drawn is read back from the axes."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers import config
from helpers.data import manifest
from helpers.evaluation import metrics as evaluation
from helpers.plotting import data, results, style


@pytest.fixture(autouse=True)
def closed():
    """No figure outlives its test."""
    style.use_style()
    yield
    plt.close("all")


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    p = np.clip(rng.normal(0.3 + 0.4 * y, 0.2), 0, 1)
    return pd.DataFrame({"film": range(80), "patient": range(80), "y": y, "probability": p})


def history(val_loss):
    n = len(val_loss)
    flat = dict.fromkeys(("accuracy", "recall", "val_accuracy", "val_recall"), [0.9] * n)
    loss = list(np.linspace(0.5, 0.1, n))
    return pd.DataFrame(
        {"epoch": range(1, n + 1), "seed": 1, "loss": loss, "val_loss": val_loss, **flat}
    )


def test_class_balance_draws_the_counts_of_the_manifest():
    counts = manifest.counts(manifest.read(), by="split")
    ax = data.class_balance(counts)
    drawn = [text.get_text() for text in ax.texts if text.get_text()]
    films = [n for subtype in config.SUBTYPES for n in counts[subtype].iloc[::-1] if n]
    assert drawn == [f"{n:,}" for n in films], "no label over a bar that is not there"


def test_subtypes_are_told_apart_without_colour():
    ax = data.class_balance(manifest.counts(manifest.read()))
    hatched = {bars.get_label(): bars.patches[0].get_hatch() for bars in ax.containers}
    assert hatched["bacterial"] != hatched["viral"]


def test_labels_at_the_end_of_an_axis_are_drawn_inward(scores):
    table = evaluation.estimate(scores, 0.5)
    axes = results.comparison({"A": table * 0, "B": table, "C": table * 0 + 1}, ("AUROC",))
    assert [text.get_ha() for text in axes[0].texts][::2] == ["left", "right"]


def test_scores_of_two_parts_share_one_legend_that_no_threshold_strikes_through(scores):
    axes = results.before_and_after(scores, scores, 0.5, "A")
    assert axes[0].get_legend() is None
    axes[0].figure.draw_without_rendering()
    legend = axes[1].get_legend().get_window_extent()
    assert legend.y1 < axes[1].get_window_extent().y0


def test_a_figure_says_what_it_was_given_to_say_after_its_title():
    pictures = np.zeros((2, 8, 8), np.uint8)
    figure = data.films(pictures, ["a.jpeg", "b.jpeg"], title="Two", alt="Two black squares")
    assert style.describe(figure) == "Two. Two black squares."


def test_a_confusion_matrix_is_told_in_words(scores):
    counts = evaluation.confusion(scores, 0.5)
    ax = results.confusion(counts, "title")
    sick, missed = counts.loc["PNEUMONIA"].sum(), counts.loc["PNEUMONIA", "NORMAL"]
    assert f"Of {sick} films with pneumonia {missed} are missed" in style.describe(ax.figure)


def test_films_per_patient_draws_every_patient_once():
    films = manifest.read()
    ax = data.films_per_patient(films)
    assert sum(bar.get_height() for bar in ax.patches) == films["patient"].nunique()


def test_classes_keep_their_colours(scores):
    ax = results.score_distribution(scores, 0.5, "title")
    _, labels = ax.get_legend_handles_labels()
    assert set(config.LABELS) <= set(labels)
    edges = {plt.matplotlib.colors.to_hex(patch.get_facecolor()) for patch in ax.patches}
    assert edges == {colour.lower() for colour in config.COLOURS.values()}


def test_a_grid_frames_films_in_the_colour_of_their_class():
    pictures = np.zeros((2, 8, 8), np.uint8)
    figure = data.films(pictures, ["a", "b"], labels=list(config.LABELS), columns=2)
    for ax, label in zip(figure.axes, config.LABELS, strict=True):
        colour = plt.matplotlib.colors.to_hex(ax.spines["left"].get_edgecolor())
        assert colour == config.COLOURS[label].lower()


def test_examples_show_one_film_a_patient_and_both_subtypes():
    films = manifest.read().query("part == 'training'").reset_index(drop=True)
    figure = data.examples(films, np.zeros((len(films), 4, 4), np.uint8), "PNEUMONIA")
    captions = [ax.get_title(loc="center") for ax in figure.axes]
    assert captions == ["bacterial"] * 4 + ["viral"] * 4


def test_the_mean_films_differ_by_the_difference_that_is_drawn():
    pictures = np.stack([np.full((4, 4), value, np.uint8) for value in (10, 20, 100, 120)])
    axes = data.mean_films(pictures, np.array([0, 0, 1, 1]))
    assert axes[2].images[0].get_array().mean() == pytest.approx(95)


@pytest.mark.parametrize(
    ("val_loss", "finding"),
    [
        ([0.5, 0.3, 0.2, 0.4], "best at epoch 3, then worse by 100%"),
        ([0.5, 0.3, 0.2], "no rise after"),
    ],
)
def test_the_title_of_learning_curves_follows_the_curves(val_loss, finding):
    assert finding in results.curve_finding(history(val_loss), chosen=1)


def test_learning_curves_draw_loss_and_validation_loss():
    rows = history([0.5, 0.3, 0.2])
    axes = results.learning_curves(rows, 1, "title")
    drawn = [list(line.get_ydata()) for line in axes[0].lines]
    assert list(rows["loss"]) in drawn
    assert list(rows["val_loss"]) in drawn


def test_confusion_writes_counts_and_shares(scores):
    counts = evaluation.confusion(scores, 0.5)
    ax = results.confusion(counts, "title")
    written = [text.get_text().split("\n")[0] for text in ax.texts]
    assert written == [str(n) for n in counts.to_numpy().ravel()]


def test_roc_marks_each_networks_operating_point(scores):
    axes = results.roc_and_pr({"one": scores, "two": scores}, {"one": 0.5, "two": 0.3})
    dots = [line.get_xydata()[0] for line in axes[0].lines if line.get_marker() == "o"]
    for dot, threshold in zip(dots, (0.5, 0.3), strict=True):
        at = evaluation.point(scores, threshold)
        assert dot == pytest.approx([1 - at["specificity"], at["sensitivity"]])


def test_comparison_draws_value_and_interval_of_every_network(scores):
    table = evaluation.estimate(scores, 0.5)
    axes = results.comparison({"A": table, "B": table}, metrics=("AUROC",))
    spans = [tuple(line.get_xdata()) for line in axes[0].lines if len(line.get_xdata()) == 2]
    assert spans == [tuple(table.loc["AUROC", ["low", "high"]])] * 2


def test_validation_against_test_says_which_way_it_goes(scores):
    table = evaluation.estimate(scores, 0.5)
    lower = table.assign(value=table["value"] - 0.1, low=table["low"] - 0.1)
    axes = results.validation_against_test({"A": table}, {"A": lower}, metrics=("AUROC",))
    assert "falls .100 on average" in axes[0].get_title(loc="center")


def test_seed_difference_darkens_what_is_clear_of_zero():
    seeds = pd.DataFrame({"accuracy": [0.9, 0.91], "AUROC": [0.95, 0.96]})
    difference = pd.DataFrame(
        {"value": [0.1, 0.0], "low": [0.05, -0.1], "high": [0.2, 0.1]}, index=["accuracy", "AUROC"]
    )
    axes = results.seed_difference(("A", seeds), ("B", seeds), difference, ("accuracy", "AUROC"))
    colours = [line.get_color() for line in axes[1].lines if line.get_marker() == "o"]
    assert colours == [config.INK, config.FAINT]


def test_functions_draw_on_the_axes_they_are_given(scores):
    _, ax = plt.subplots()
    assert results.score_distribution(scores, 0.5, "title", ax) is ax
    assert results.confusion(evaluation.confusion(scores, 0.5), "title", ax) is ax


def test_the_key_figure_shows_what_the_threshold_keeps_beside_auroc():
    def estimate(**values):
        value = pd.Series(values)
        return pd.DataFrame({"value": value, "low": value - 0.02, "high": value + 0.02})

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
