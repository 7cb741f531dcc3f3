"""A person who waits is told how far the run is and how long it will still take."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from helpers.training import progress
from helpers.training.recipes import Recipe

TWO_SEEDS = Recipe(name="dense", title="Dense", epochs=10, seeds=(1, 2))
OTHER = Recipe(name="cnn_1", title="CNN 1", epochs=10)


@pytest.fixture
def now(monkeypatch):
    """A clock that a test sets: ``now[0]`` seconds."""
    time = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: time[0])
    return time


# -- time left --------------------------------------------------------------------------------


def test_time_left_is_unknown_before_anything_is_done(now):
    clock = progress.Clock({"dense": 100.0}, start=0.0)
    now[0] = 10.0
    assert math.isnan(clock.left(TWO_SEEDS, 0.0))


def test_time_left_is_unknown_without_a_record(now):
    clock = progress.Clock({"dense": 100.0, "cnn_1": math.nan}, start=0.0)
    now[0] = 10.0
    assert math.isnan(clock.left(TWO_SEEDS, 0.5))


def test_time_left_follows_todays_speed(now):
    clock = progress.Clock({"dense": 100.0, "cnn_1": 100.0}, start=0.0)
    now[0] = 100.0  # half of Dense in twice the time that the record took
    assert clock.left(TWO_SEEDS, 0.5) == pytest.approx(300.0)


def test_a_finished_recipe_is_behind(now):
    clock = progress.Clock({"dense": 100.0, "cnn_1": 300.0}, start=0.0)
    now[0] = 100.0
    clock.done(TWO_SEEDS)
    assert clock.left(OTHER, 0.0) == pytest.approx(300.0)


def test_a_recipe_that_was_finished_earlier_is_left_out(now):
    clock = progress.Clock({"dense": 100.0, "cnn_1": 300.0}, start=0.0)
    now[0] = 30.0
    clock.skip(TWO_SEEDS)
    assert clock.left(OTHER, 0.5) == pytest.approx(30.0)


def test_nothing_is_left_at_the_end(now):
    clock = progress.Clock({"dense": 100.0}, start=0.0)
    now[0] = 50.0
    assert clock.left(TWO_SEEDS, 1.0) == 0


# -- what the record took ---------------------------------------------------------------------


def recorded(folder, facts):
    path = folder / "dense" / "record.json"
    path.parent.mkdir(parents=True)
    path.write_text(facts if isinstance(facts, str) else json.dumps(facts))


FACTS = {
    "history": {"epoch": [1, 2, 3, 1, 2]},
    "training_seconds": {"1": 30.0, "2": 20.0},
    "films": {"training": 100},
}


@pytest.mark.parametrize(("films", "seconds"), [(100, 200.0), (50, 100.0)])
def test_seconds_are_scaled_by_epochs_seeds_and_films(tmp_path, films, seconds):
    recorded(tmp_path, FACTS)
    assert progress.recorded_seconds(TWO_SEEDS, films, tmp_path) == pytest.approx(seconds)


def test_the_seconds_of_a_recipe_without_a_record_are_unknown(tmp_path):
    assert math.isnan(progress.recorded_seconds(TWO_SEEDS, 100, tmp_path))


def test_what_is_not_trained_takes_no_time(tmp_path):
    untrained = dataclasses.replace(TWO_SEEDS, epochs=0)
    assert progress.recorded_seconds(untrained, 100, tmp_path) == 0


@pytest.mark.parametrize(
    "facts",
    [
        "",
        "{",
        "{}",
        "[]",
        "null",
        FACTS | {"history": {"epoch": []}},
        FACTS | {"history": {}},
        FACTS | {"films": {"training": 0}},
        FACTS | {"training_seconds": None},
    ],
    ids=str,
)
def test_the_seconds_of_a_damaged_record_are_unknown(tmp_path, facts):
    recorded(tmp_path, facts)
    assert math.isnan(progress.recorded_seconds(TWO_SEEDS, 100, tmp_path))


# -- the bar ----------------------------------------------------------------------------------


@pytest.fixture
def tell(capsys, now):
    """Report ``epochs`` of a seed to a fresh bar; return what it shows and where it stands."""

    def told(seed, epochs, logs, expected=None):
        clock = progress.Clock(expected or {}, start=0.0)
        now[0] = 60.0
        with progress.bar(TWO_SEEDS, seed, ("dummy", "dense", "final")) as bar:
            progress.report(bar, clock, TWO_SEEDS, seed, epochs, logs)
            bar.refresh()
            return str(bar), bar.n

    return told


def test_the_bar_names_network_seed_and_place(tell):
    assert "Dense, seed 2 (2 of 3): " in tell(2, 1, {})[0]


def test_the_bar_stands_at_part_of_an_epoch(tell):
    text, n = tell(1, 2.25, {})
    assert n == 2.25
    assert "epoch 2.2 of 10" in text


def test_the_bar_shows_the_validation_accuracy_after_an_epoch(tell):
    assert "validation accuracy 0.912" in tell(1, 1, {"val_accuracy": 0.91234})[0]


def test_within_an_epoch_no_figure_is_made_up(tell):
    assert "accuracy" not in tell(1, 0.5, {})[0]


def test_the_bar_shows_the_time_left_of_the_study(tell):
    # The first seed of two, half done: a quarter in a minute leaves three minutes.
    assert "whole study 03:00 left" in tell(1, 5, {}, {"dense": 100.0})[0]


def test_a_later_seed_counts_those_before_it(tell):
    assert "whole study 00:20 left" in tell(2, 5, {}, {"dense": 100.0})[0]


def test_unknown_time_left_is_not_shown(tell):
    text, _ = tell(1, 5, {"val_accuracy": 0.9}, {"dense": 100.0, "final": math.nan})
    assert "whole study" not in text


def test_a_bar_writes_to_standard_error_only(tell, capsys):
    tell(1, 5, {})
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Dense" in shown.err


def test_a_silent_bar_writes_nothing(capsys):
    with progress.bar(TWO_SEEDS, 1, ("dense",), silent=True) as bar:
        progress.report(bar, progress.Clock({}), TWO_SEEDS, 1, 5, {})
    assert capsys.readouterr() == ("", "")
