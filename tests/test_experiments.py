"""Trials, what explains the shift, and what was measured of two networks: complete and true."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from keras import Input, Model, layers

from helpers import config, explain
from helpers.data import dataset, manifest
from helpers.evaluation import decisions, metrics, thresholds
from helpers.experiments import bench, shift, trials, trust
from helpers.models import classifiers, views
from helpers.models.ensemble import Ensemble
from helpers.models.lungs import SIDE, Found
from helpers.report import sentences
from helpers.shortcuts import acquisition
from helpers.training import fit, recipes, record
from helpers.training.study import Study


def test_balanced_training_weights_lift_films_against_their_propensity():
    recipe = dataclasses.replace(trials.BASE, margins="balanced")
    films = pd.DataFrame({"y": [0, 0], "background": [0.95, 0.01], "film": "a"})
    weights = fit.training_weights(recipe, films)
    assert weights[0] / weights[1] == pytest.approx(9.5)
    assert weights.mean() == pytest.approx(1)
    assert fit.training_weights(trials.BASE, films) is None


def scored(y, probability, weight=1.0):
    scores = pd.DataFrame({"y": y, "probability": probability, "weight": weight})
    return scores.assign(role="validation")


@pytest.mark.parametrize("target", [0.5, 0.9, 0.97, 1.0])
def test_with_equal_weights_the_threshold_is_the_ordinary_one(target):
    rng = np.random.default_rng(1)
    films = scored(rng.integers(0, 2, 400), rng.random(400))
    weighted = thresholds.operating_threshold(films, target, films["weight"])
    assert weighted == thresholds.operating_threshold(films, target)


@pytest.mark.parametrize(("weight", "expected"), [([1, 1, 0.01, 1], 0.55), ([1, 1, 1, 1], 0.2)])
def test_a_heavy_film_must_be_called(weight, expected):
    films = scored([1, 1, 1, 0], [0.9, 0.8, 0.3, 0.1], weight)
    assert thresholds.operating_threshold(films, 0.97, films["weight"]) == pytest.approx(expected)


def test_the_even_threshold_balances_misses_and_alarms():
    y = np.repeat([0, 1], 5000)
    luck = np.random.default_rng(0).normal(size=y.size)
    p = 1 / (1 + np.exp(-(luck + np.where(y == 1, 1, -1))))
    films, heavy = scored(y, p), pd.Series(np.where((y == 1) & (p < 0.3), 10.0, 1.0))
    assert thresholds.equal_error_threshold(films, films["weight"]) == pytest.approx(0.5, abs=0.02)
    assert thresholds.equal_error_threshold(films, heavy) < 0.45


def test_the_operating_point_never_misses_more_than_the_promise():
    films = scored(np.repeat([0, 1], 500), np.random.default_rng(0).random(1000))
    cut, promise = thresholds.stress_threshold(films), thresholds.SENSITIVITY
    assert metrics.point(films, cut)["sensitivity"] >= promise
    even = thresholds.equal_error_threshold(films, films["weight"])
    assert cut == min(even, thresholds.operating_threshold(films, promise))


def test_figures_of_a_perfect_and_a_blind_network():
    perfect = acquisition.stress_figures(scored([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]))
    assert set(perfect.values()) == {1.0}
    assert acquisition.stress_figures(scored([0, 0, 1, 1], 0.5))["stress AUROC"] == 0.5


@pytest.mark.parametrize("name", trials.TRIALS)
def test_every_trial_is_recorded_with_three_seeds_and_without_a_test_film(name):
    found = trials.read(name)
    table = found.predictions
    assert not set(manifest.read().query("part == 'test'")["film"]) & set(table["film"])
    assert set(table["split"]) == {"validation", "stress"}
    assert table["seed"].nunique() >= 3
    assert found.facts["films"].keys() == {"training", "validation", "stress"}


def test_trials_differ_and_are_sorted_by_stress_auroc_and_those_that_decided_came_first():
    assert not set(trials.TRIALS) & set(recipes.STUDY)
    assert len({trial.digest() for trial in trials.TRIALS.values()}) == len(trials.TRIALS)
    table = trials.summary(trials.by_seed())
    assert table["stress AUROC"].is_monotonic_decreasing
    assert len(table) == len(trials.TRIALS)
    rests_on = ("base", "whole_film", "longer", "side_128", "balanced", "equalised", "rough")
    assert table["decided"][[trials.TRIALS[name].title for name in rests_on]].all()


def test_an_unknown_trial_is_refused_before_films_are_read(tmp_path):
    with pytest.raises(ValueError, match="no trial nonsense; there are base, "):
        trials.run_all(
            dataset.Films("none", pd.DataFrame()), tmp_path, tmp_path, ["nonsense"], print
        )


def scores(part, rule):
    """Films of a part scored by ``rule``, a function of the films' table."""
    films = shift.films().query("part == @part")
    return films[["film", "patient", "y"]].assign(probability=rule(films)).reset_index(drop=True)


def test_equal_margins_explain_nothing():
    same = scores("validation", lambda films: films["margin"])
    assert np.ptp(shift.explained(same, same, 0.5)["value"]) == 0


def test_a_reader_of_margins_falls_by_its_margins_alone():
    before, after = (scores(part, lambda films: films["margin"]) for part in ("validation", "test"))
    value = shift.explained(before, after, 0.5)["value"]
    assert value.iloc[1] == pytest.approx(value.iloc[2], abs=1e-9)
    assert value.iloc[0] > value.iloc[2]


def test_who_does_not_see_margins_falls_by_something_else():
    perfect = scores("validation", lambda films: films["y"].astype(float))
    value = shift.explained(perfect, perfect.assign(probability=1.0), 0.5)["value"]
    assert list(value) == [1.0, 1.0, 0.0]
    assert "Blind 0%" in sentences.explained_told({"Blind": pd.DataFrame({"value": value})})


def test_targets_are_told_as_reached_or_missed():
    value = {"AUROC": 0.986, "accuracy": 0.95, "sensitivity": 0.9, "specificity": 0.9}
    ours = pd.DataFrame({"value": value})
    text = sentences.targets_told(ours.assign(low=ours - 0.01, high=ours + 0.01))
    assert text.count("missed") == 1
    assert text.count("with the aim") == 1


@pytest.fixture(scope="module")
def answers():
    return {name: trust.answers(name) for name in (trust.REFERENCE, "final")}


def test_every_test_film_has_an_answer_to_every_change(answers):
    assert len(bench.CORRUPTED) == 8 * 5 + 2
    for table in answers.values():
        assert tuple(table.columns) == bench.CHANGES
        assert set(table.index) == set(manifest.read().query("part == 'test'")["film"])
        assert ((table >= 0) & (table <= 1)).all(axis=None)


def test_unchanged_films_get_what_the_final_network_was_recorded_to_say(answers):
    said = Study().run("final").scores("test").set_index("film")["probability"]
    plain = answers["final"][bench.PLAIN]
    np.testing.assert_allclose(plain, said[plain.index], atol=2e-5)


def test_the_reference_is_cnn_5_as_it_is_defined_and_about_as_good():
    facts = record.read_facts(config.RESULTS / trust.FOLDER, trust.REFERENCE)
    recipe, result = recipes.get("cnn_5"), Study().run("cnn_5")
    assert facts["recipe_digest"] == recipe.digest()
    assert facts["network_digest"] == classifiers.fingerprint(recipe.builder, recipe.side)
    assert facts["seed"] == result.chosen
    per_seed = metrics.by_seed(result.seeds("test"), result.scores("test"))["AUROC"]
    auroc = metrics.point(trust.scores("cnn_5")[bench.PLAIN], 0.5)["AUROC"]
    assert per_seed.min() - 0.02 < auroc < per_seed.max() + 0.02
    ledger = record.openings(config.RESULTS)
    assert set(ledger.loc[ledger["date"] >= facts["date"], "recipe"]) >= {"cnn_5", "final"}


def test_maps_were_measured_on_all_drawn_lungs_and_all_test_films():
    maps = trust.maps()
    counts = maps.groupby(["outline", "network", "method"])["film"].nunique()
    assert list(counts["drawn"]) == [299] * 4
    assert list(counts["found"]) == [624] * 2
    known = maps.dropna(subset="inside")  # nothing on a film may speak for the call
    assert len(known) > 0.98 * len(maps)
    assert known["boxed"].max() < 1.0001
    assert (known["boxed"] + 1e-3 >= known["inside"]).all()


@pytest.mark.parametrize("guesses", [False, True])
def test_the_loss_of_a_network_that_never_changes_or_only_guesses_is_known(
    guesses, answers, tmp_path
):
    table = answers["final"].copy()
    for column in bench.CHANGES[1:]:
        table[column] = 0.5 if guesses else table[bench.PLAIN]
    (tmp_path / trust.FOLDER).mkdir()
    table.to_csv(tmp_path / trust.FOLDER / "final.csv")
    auroc = trust.robustness("final", 0.5, tmp_path)["AUROC"]
    expected = (auroc.max() - 0.5) / auroc.max() if guesses else 0
    assert trust.loss("final", tmp_path)["value"] == pytest.approx(expected)
    assert np.ptp(auroc) == (auroc.max() - 0.5 if guesses else 0)


@pytest.mark.parametrize("read", [lambda at: trust.answers("final", at), trust.maps])
def test_what_is_not_recorded_is_named(read, tmp_path):
    with pytest.raises(record.RecordError, match="make trust"):
        read(tmp_path)


@pytest.mark.parametrize("reached", [True, False])
def test_the_verdict_tells_what_was_reached_from_what_was_not(reached):
    lost = [pd.Series({"value": value}) for value in ((0.2, 0.001) if reached else (0.001, 0.2))]
    curve = pd.DataFrame({"value": [0.99 if reached else 0.49]}, index=[trust.REFERRED])
    watched = trust.maps_in_lungs(trust.maps())
    told = sentences.verdict_told(dict(zip("ab", lost, strict=True)), watched, {"x": curve})
    kept, missed = told.split("What cannot be claimed")
    for target in ("corrupted films", "right on 97%"):
        assert target in (kept if reached else missed)


def test_the_errors_shown_are_errors_and_the_surest_first():
    final = Study().run("final")
    shown = manifest.read().set_index("film")["packaged"].astype(bool)
    table = trust.error_films(final, shown, count=5)
    assert table["certainty"].is_monotonic_decreasing
    assert ((table["probability"] >= final.threshold) != (table["y"] == 1)).all()
    assert shown[table["film"]].all()
    assert table["remark"].str.startswith("group ").all()


def test_a_band_that_holds_on_one_side_is_told_so():
    table = pd.DataFrame({"value": 0.995}, ["referred", "sensitivity", "specificity"])
    table = table.assign(low=0.99, high=1.0)
    low = table.assign(value=[0.995, 0.995, 0.5])
    told = sentences.band_told(decisions.Band(0.1, 0.3), table, low)
    assert "Sensitivity holds on the test films, specificity does not." in told


def bright(side: int = 32) -> Model:
    """Says pneumonia the brighter the film is."""
    film = Input(shape=(side, side, 1))
    x = layers.AveragePooling2D(4)(layers.Rescaling(1 / 255)(film))
    x = layers.Flatten()(layers.Conv2D(1, 1, use_bias=False)(x))
    model = Model(film, layers.Dense(1, activation="sigmoid")(x))
    model.set_weights([np.full_like(weight, 0.1) for weight in model.get_weights()])
    return model


class Segmenter:
    """Finds the same two lungs on every film."""

    def predict(self, batches, verbose=0):
        count = sum(len(batch) for batch in batches)
        found = np.zeros((count, SIDE, SIDE, 1), np.float32)
        found[:, 30:100, 20:55], found[:, 30:100, 70:105] = 1, 1
        return found


def test_measuring_resumes_where_it_was_interrupted(tmp_path):
    table = pd.DataFrame({"film": [f"film {n}" for n in range(12)], "marker": 1})
    table["part"] = ["training"] * 8 + ["test"] * 4
    table[["label", "y", "margin"]] = [["NORMAL", 0, 0.01], ["PNEUMONIA", 1, 0.99]] * 6
    pictures = np.random.default_rng(0).integers(60, 180, (12, 224, 224), np.uint8)
    films = bench.Bench(table, pictures, Segmenter())
    networks = {"a": Ensemble("a", "A", 32, 0.5, ((bright(), "film"),))}
    said: list[str] = []
    first = trust.measure_changes(films, networks, tmp_path, said.append)["a"]
    assert list(first.index) == ["film 8", "film 9", "film 10", "film 11"]
    assert len(said) == first.shape[1]
    assert first["lungs blacked out"].mean() < first[bench.PLAIN].mean()
    assert (first["inverted"] != first[bench.PLAIN]).all()
    (tmp_path / "blur 3.csv").unlink()
    said.clear()
    again = trust.measure_changes(films, networks, tmp_path, said.append)["a"]
    assert len(said) == 1
    pd.testing.assert_frame_equal(again, first, check_exact=False, atol=1e-5)


def test_films_that_are_not_the_full_set_are_refused(drawn, tmp_path):
    with pytest.raises(dataset.FilmError, match="full set"):
        trust.measure(dataset.find(drawn), config.RESULTS, tmp_path, print)


def test_the_box_around_a_mask_is_its_smallest():
    masks = np.zeros((2, 8, 8), bool)
    masks[0, 2, 3] = masks[0, 5, 1] = True
    expected = np.zeros_like(masks)
    expected[0, 2:6, 1:4] = True
    np.testing.assert_array_equal(explain.boxes(masks), expected)


def test_blackened_films_have_each_pixel_on_one_side():
    masks = np.zeros((1, SIDE, SIDE), bool)
    masks[0, 40:80, 40:80] = True
    found = Found(np.array([[0, 1, 0, 1]], np.float32), masks, np.array([True]))
    film = np.full((224, 224), 100, np.uint8)
    inside, outside = (views.blackened(film, found, 0, side) for side in (True, False))
    np.testing.assert_array_equal(inside.astype(int) + outside, 100)
