"""Weights against the stereotype, thresholds under them, counterfactual films, trials."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from helpers.data import manifest
from helpers.evaluation import thresholds
from helpers.experiments import shift, trials
from helpers.report import sentences
from helpers.shortcuts import acquisition, perturbations
from helpers.training import fit, recipes


@pytest.fixture(scope="module")
def background():
    return shift.films()


# -- weights --------------------------------------------------------------------------------


def test_overlap_weights_count_what_the_surround_gets_wrong():
    assert acquisition.overlap_weights([1, 1, 0, 0], [0.9, 0.2, 0.9, 0.2]) == pytest.approx(
        [0.1, 0.8, 0.9, 0.2]
    )


def test_under_overlap_weights_the_surround_is_worth_nothing(background):
    """Known by construction: with e calibrated, weighted AUROC of e itself is a half."""
    rng = np.random.default_rng(0)
    e = rng.beta(0.5, 0.5, 100_000)
    y = (rng.random(e.size) < e).astype(int)
    assert roc_auc_score(y, e) > 0.85
    weight = acquisition.overlap_weights(y, e)
    assert roc_auc_score(y, e, sample_weight=weight) == pytest.approx(0.5, abs=0.01)


def test_the_recorded_surround_tells_much_and_nothing_once_weighed(background):
    ours = background[background["part"] != "test"]
    y = (ours["label"] == "PNEUMONIA").astype(int)
    weight = acquisition.overlap_weights(y, ours["background"])
    assert roc_auc_score(y, ours["background"]) > 0.9
    assert roc_auc_score(y, ours["background"], sample_weight=weight) == pytest.approx(
        0.5, abs=0.05
    )


def test_nothing_is_asked_of_test_films(background):
    assert background.loc[background["part"] == "test", "background"].isna().all()
    assert background.loc[background["part"] != "test", "background"].notna().all()


def test_only_training_children_are_held_out_and_they_wholly(background):
    held = background[background["held_out"]]
    assert set(held["part"]) == {"training"}
    training = background[background["part"] == "training"]
    assert not set(held["patient"]) & set(training.loc[~training["held_out"], "patient"])
    assert held["label"].nunique() == 2


def test_balanced_training_weights_lift_films_against_their_stereotype():
    recipe = dataclasses.replace(trials.BASE, margins="balanced")
    films = pd.DataFrame({"label": ["NORMAL", "NORMAL"], "background": [0.95, 0.01], "film": "a"})
    told = fit.training_weights(recipe, films)
    assert told[0] / told[1] == pytest.approx(9.5)
    assert told.mean() == pytest.approx(1)
    assert fit.training_weights(trials.BASE, films) is None


# -- threshold ------------------------------------------------------------------------------


def scored(y, probability, weight=1.0):
    return pd.DataFrame(
        {"y": y, "probability": probability, "weight": weight, "role": "validation"}
    )


def weighted(films, sensitivity):
    return thresholds.operating_threshold(films, sensitivity, films["weight"])


def even(films):
    return thresholds.equal_error_threshold(films, films["weight"])


def test_with_equal_weights_the_threshold_is_the_ordinary_one():
    rng = np.random.default_rng(1)
    y, p = rng.integers(0, 2, 400), rng.random(400)
    for target in (0.5, 0.9, 0.97, 1.0):
        ours = weighted(scored(y, p), target)
        assert ours == thresholds.operating_threshold(scored(y, p), target)


def test_a_heavy_film_must_be_called():
    y, p = [1, 1, 1, 0], [0.9, 0.8, 0.3, 0.1]
    assert weighted(scored(y, p, [1, 1, 0.01, 1]), 0.97) == pytest.approx(0.55)
    assert weighted(scored(y, p, [1, 1, 1, 1]), 0.97) == pytest.approx(0.2)


def test_the_even_threshold_balances_misses_and_alarms():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 5000)
    p = 1 / (1 + np.exp(-(rng.normal(size=y.size) + np.where(y == 1, 1, -1))))
    assert even(scored(y, p)) == pytest.approx(0.5, abs=0.02)
    heavy = scored(y, p, np.where((y == 1) & (p < 0.3), 10.0, 1.0))
    assert even(heavy) < 0.45


def test_the_operating_point_never_misses_more_than_the_promise():
    rng = np.random.default_rng(0)
    y, p = np.repeat([0, 1], 500), rng.random(1000)
    films = scored(y, p)
    cut = thresholds.stress_threshold(films)
    assert (p[y == 1] >= cut).mean() >= thresholds.SENSITIVITY
    assert cut == min(even(films), weighted(films, thresholds.SENSITIVITY))


def test_no_pneumonia_film_is_an_error():
    with pytest.raises(ValueError, match="no pneumonia film"):
        weighted(scored([0], [0.5]), 0.97)


def test_figures_of_a_perfect_and_a_blind_network():
    y = np.array([0, 0, 1, 1])
    perfect = acquisition.stress_figures(scored(y, [0.1, 0.2, 0.8, 0.9]))
    assert set(perfect.values()) == {1.0}
    assert acquisition.stress_figures(scored(y, [0.5] * 4))["stress AUROC"] == 0.5


# -- features and groups --------------------------------------------------------------------


def film_with_letter(top=20, left=12):
    film = np.full((224, 224), 90, np.uint8)
    film[top : top + 16, left : left + 3] = 250
    film[top : top + 3, left : left + 8] = 250
    return film


def test_a_burnt_in_letter_is_found_where_it_stands():
    rows, columns = acquisition.marker(film_with_letter())
    assert (rows.start, columns.start) == (20, 12)
    assert (rows.stop, columns.stop) == (36, 20)


def test_no_letter_is_found_on_a_smooth_film_or_in_its_middle():
    assert acquisition.marker(np.full((224, 224), 90, np.uint8)) is None
    assert acquisition.marker(film_with_letter(100, 120)) is None


def test_groups_do_not_look_at_labels(background):
    known = background[[*acquisition.MARGIN, *acquisition.PICTURE]]
    one = acquisition.groups(background, known)
    turned = background.assign(label=background["label"].iloc[::-1].to_numpy())
    assert np.array_equal(one, acquisition.groups(turned, known))
    assert set(one) == set(range(1, acquisition.GROUPS + 1))


# -- counterfactuals ------------------------------------------------------------------------


def test_a_donors_letter_stands_on_the_film_and_nothing_else_changes():
    film, donor = np.full((224, 224), 90, np.uint8), film_with_letter()
    changed = perturbations.marker(film, donor)
    assert (changed[20:36, 12:15] == 250).all()
    changed[20:36, 12:20] = 90
    assert np.array_equal(changed, film)


def test_a_border_comes_from_the_donor_and_the_middle_stays():
    film, donor = np.full((224, 224), 90, np.uint8), np.full((224, 224), 10, np.uint8)
    changed = perturbations.border(film, donor)
    assert changed[0, 0] == 10
    assert (changed[12:-12, 12:-12] == 90).all()


def test_tones_reach_from_the_donors_darkest_to_its_brightest():
    rng = np.random.default_rng(0)
    film, donor = rng.integers(0, 100, (224, 224)), rng.integers(100, 250, (224, 224))
    changed = perturbations.tone(film.astype(np.uint8), donor.astype(np.uint8))
    assert np.percentile(changed, [2, 98]) == pytest.approx(np.percentile(donor, [2, 98]), abs=2)


def test_sharpness_moves_towards_the_donors():
    rng = np.random.default_rng(0)
    rough = rng.integers(0, 255, (224, 224)).astype(np.uint8)
    smooth = np.tile(np.linspace(0, 250, 224), (224, 1)).astype(np.uint8)
    softened = perturbations.sharpness(rough, smooth)
    assert acquisition.features(softened)["sharpness"] < acquisition.features(rough)["sharpness"]


def test_donors_are_typical_training_films_of_the_other_class(background):
    ours = background[background["part"] != "test"].reset_index(drop=True)
    given = perturbations.donors(ours)
    donors = ours.iloc[given]
    assert (donors["label"].to_numpy() != ours["label"].to_numpy()).all()
    assert set(donors["part"]) == {"training"}
    assert donors["marker"].all()


# -- the recorded trials --------------------------------------------------------------------


@pytest.mark.parametrize("name", trials.TRIALS)
def test_every_trial_is_recorded_with_three_seeds_and_without_a_test_film(name):
    found = trials.read(name)
    table = found.predictions
    test = set(manifest.read().query("part == 'test'")["film"])
    assert not test & set(table["film"])
    assert set(table["split"]) == {"validation", "stress"}
    assert table["seed"].nunique() >= 3
    assert found.facts["films"].keys() == {"training", "validation", "stress"}


def test_trials_change_the_base_and_are_no_recipes_of_the_study():
    assert not set(trials.TRIALS) & set(recipes.STUDY)
    digests = {trial.digest() for trial in trials.TRIALS.values()}
    assert len(digests) == len(trials.TRIALS)


def test_what_the_final_network_rests_on_was_tried_before_its_test_films_were_scored():
    decided = trials.decided()
    for name in ("base", "whole_film", "longer", "side_128", "balanced", "equalised", "rough"):
        assert decided[trials.TRIALS[name].title], name


def test_trials_are_sorted_by_the_films_against_their_stereotype():
    table = trials.summary(trials.by_seed())
    assert table["stress AUROC"].is_monotonic_decreasing
    assert len(table) == len(trials.TRIALS)


# -- what the margins explain ---------------------------------------------------------------


def validation_scores(background, rule):
    """Validation films scored by ``rule``, a function of the films' table."""
    films = background[background["part"] == "validation"]
    scores = films[["film", "patient"]].assign(y=(films["label"] == "PNEUMONIA").astype(int))
    return scores.assign(probability=rule(films)).reset_index(drop=True)


def test_equal_margins_explain_nothing(background):
    scores = validation_scores(background, lambda films: films["margin"])
    told = shift.explained(scores, scores, 0.5)["value"]
    assert (told == told.iloc[0]).all()


def test_a_reader_of_margins_falls_by_its_margins_alone(background):
    films = background[background["part"] == "test"]
    after = films[["film", "patient"]].assign(
        y=(films["label"] == "PNEUMONIA").astype(int), probability=films["margin"]
    )
    before = validation_scores(background, lambda rows: rows["margin"])
    told = shift.explained(before, after.reset_index(drop=True), 0.5)["value"]
    assert told.iloc[1] == pytest.approx(told.iloc[2], abs=1e-9)
    assert told.iloc[0] > told.iloc[2]


def test_who_does_not_look_at_margins_falls_by_something_else(background):
    perfect = validation_scores(background, lambda films: films["label"].eq("PNEUMONIA") * 1.0)
    broken = perfect.assign(probability=1.0)
    told = shift.explained(perfect, broken, 0.5)["value"]
    assert list(told) == [1.0, 1.0, 0.0]
    text = sentences.explained_told({"Blind": pd.DataFrame({"value": told})})
    assert "Blind 0%" in text


def test_targets_are_told_as_reached_or_missed():
    ours = pd.DataFrame(
        {
            m: {"value": v, "low": v - 0.01, "high": min(1, v + 0.01)}
            for m, v in {
                "AUROC": 0.986,
                "accuracy": 0.95,
                "sensitivity": 0.9,
                "specificity": 0.9,
            }.items()
        }
    ).T
    text = sentences.targets_told(ours)
    assert text.count("missed") == 1
    assert text.count("with the aim") == 1
