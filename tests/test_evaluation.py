"""Metrics against scikit-learn and by hand; intervals, thresholds, comparisons."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from helpers.evaluation import metrics as evaluation
from helpers.evaluation import thresholds


@pytest.fixture
def scores():
    """Two hundred films of 120 patients, with ties among the probabilities."""
    rng = np.random.default_rng(7)
    y = (rng.random(200) < 0.6).astype(int)
    p = np.round(np.clip(rng.normal(0.35 + 0.3 * y, 0.2), 0, 1), 2)
    patient = [f"p{n}" for n in rng.integers(0, 120, 200)]
    return pd.DataFrame({"film": range(200), "patient": patient, "y": y, "probability": p})


def test_weighted_metrics_equal_scikit_learns_with_sample_weights(scores):
    y, p = scores["y"], scores["probability"]
    weights = evaluation.patient_weights(scores["patient"], count=4)
    ours = evaluation.weighted_metrics(scores, 0.5, weights)
    for row, weight in enumerate(weights):
        called, w = p >= 0.5, {"sample_weight": weight}
        expected = {
            "accuracy": sk.accuracy_score(y, called, **w),
            "sensitivity": sk.recall_score(y, called, **w),
            "specificity": sk.recall_score(y, called, pos_label=0, **w),
            "precision": sk.precision_score(y, called, **w),
            "F1": sk.f1_score(y, called, **w),
            "AUROC": sk.roc_auc_score(y, p, **w),
            "AUPRC": sk.average_precision_score(y, p, **w),
            "Brier": sk.brier_score_loss(y, p, **w),
        }
        assert ours.loc[row].to_dict() == pytest.approx(expected)


def test_metrics_of_a_case_counted_by_hand():
    films = pd.DataFrame(
        {"y": [1, 1, 1, 1, 0, 0, 0], "probability": [0.9, 0.8, 0.6, 0.2, 0.7, 0.3, 0.1]}
    )
    point = evaluation.point(films, 0.5)
    assert point["sensitivity"] == 3 / 4
    assert point["specificity"] == 2 / 3
    assert point["accuracy"] == 5 / 7
    # Of 12 pairs, .6 < .7, .2 < .7 and .2 < .3 are out of order.
    assert point["AUROC"] == pytest.approx(9 / 12)


def test_a_film_at_the_threshold_is_called():
    films = pd.DataFrame({"y": [1, 0], "probability": [0.5, 0.4]})
    assert evaluation.point(films, 0.5)["sensitivity"] == 1


def test_all_films_of_a_patient_are_drawn_together(scores):
    weights = pd.DataFrame(evaluation.patient_weights(scores["patient"], count=50).T)
    by_patient = weights.groupby(scores["patient"])
    assert by_patient.min().equals(by_patient.max())
    assert (by_patient.first().sum() == by_patient.ngroups).all()


def test_the_same_seed_gives_the_same_draws(scores):
    first, again = (evaluation.patient_weights(scores["patient"], 20, seed=3) for _ in range(2))
    other = evaluation.patient_weights(scores["patient"], 20, seed=4)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_interval_holds_the_value_and_narrows_with_more_patients(scores):
    alone = scores.assign(patient=scores["film"].astype(str))
    one = evaluation.estimate(alone, 0.5)
    fourfold = pd.concat([alone.assign(patient=alone["patient"] + f"-{k}") for k in range(4)])
    four = evaluation.estimate(fourfold, 0.5)
    assert (one["low"] <= one["value"]).all()
    assert (one["value"] <= one["high"]).all()
    width = (four["high"] - four["low"]) / (one["high"] - one["low"])
    # Standard errors fall with the root of the number of patients.
    assert width["accuracy"] == pytest.approx(0.5, abs=0.08)


def test_the_accuracy_interval_is_near_the_binomial_one(scores):
    alone = scores.assign(patient=scores["film"].astype(str))
    row = evaluation.estimate(alone, 0.5).loc["accuracy"]
    half = 1.96 * np.sqrt(row["value"] * (1 - row["value"]) / len(alone))
    assert (row["high"] - row["low"]) / 2 == pytest.approx(half, rel=0.1)


def test_bootstrap_of_ten_networks_takes_less_than_five_seconds():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 624)
    films = pd.DataFrame({"patient": np.arange(624) // 1.5, "y": y, "probability": rng.random(624)})
    start = time.process_time()
    for _ in range(10):
        evaluation.bootstrap(films, 0.5)
    assert time.process_time() - start < 5


@pytest.mark.parametrize("sensitivity", [0.9, 0.95, 0.98, 1.0])
def test_the_operating_threshold_keeps_its_promise_and_is_the_highest_that_does(
    scores, sensitivity
):
    threshold = thresholds.operating_threshold(scores, sensitivity)
    assert evaluation.point(scores, threshold)["sensitivity"] >= sensitivity
    above = scores.loc[scores["probability"] >= threshold, "probability"].min() + 1e-6
    assert evaluation.point(scores, above)["sensitivity"] < sensitivity


def test_the_operating_threshold_lies_between_two_scores(scores):
    threshold = thresholds.operating_threshold(scores)
    assert np.abs(scores["probability"] - threshold).min() > 1e-3


def test_the_operating_threshold_of_a_constant_network_calls_everybody():
    films = pd.DataFrame({"y": [0, 1, 1], "probability": [1.0, 1.0, 1.0]})
    assert thresholds.operating_threshold(films) == 0.5


@pytest.mark.parametrize("sensitivity", [0, -0.1, 1.1])
def test_an_impossible_sensitivity_is_refused(scores, sensitivity):
    with pytest.raises(ValueError, match="sensitivity"):
        thresholds.operating_threshold(scores, sensitivity)


def test_a_threshold_needs_a_pneumonia_film():
    with pytest.raises(ValueError, match="no pneumonia film"):
        thresholds.operating_threshold(pd.DataFrame({"y": [0], "probability": [0.1]}))


def test_a_network_compared_with_itself_differs_by_nothing(scores):
    table = evaluation.compare(scores, scores, (0.5, 0.5))
    assert (table == 0).all(axis=None)


def test_a_paired_comparison_is_sharper_than_two_intervals(scores):
    better = scores.assign(probability=0.96 * scores["probability"] + 0.04 * scores["y"])
    table = evaluation.compare(scores, better, (0.5, 0.5)).loc["AUROC"]
    alone = evaluation.estimate(scores, 0.5).loc["AUROC"]
    assert table["low"] > 0
    assert table["high"] - table["low"] < (alone["high"] - alone["low"]) / 2


def test_different_films_are_not_compared(scores):
    with pytest.raises(ValueError, match="different films"):
        evaluation.compare(scores, scores.iloc[::-1], (0.5, 0.5))


def test_seeds_widen_the_interval_of_a_comparison(scores):
    p, rng = scores["probability"], np.random.default_rng(1)
    equal = pd.DataFrame(dict.fromkeys(range(5), p))
    spread = pd.DataFrame({seed: p ** rng.uniform(0.7, 1.4) for seed in range(5)})
    none = evaluation.compare_seeds(equal, equal, scores).loc["sensitivity"]
    some = evaluation.compare_seeds(equal, spread, scores).loc["sensitivity"]
    assert none.to_numpy() == pytest.approx(0, abs=1e-12)
    assert some["low"] < some["value"] < some["high"]


def test_the_difference_over_seeds_is_the_difference_of_the_means(scores):
    p = scores["probability"]
    first, second = pd.DataFrame({1: p, 2: p**1.2}), pd.DataFrame({1: p**0.8, 2: p, 3: p**0.5})
    means = [evaluation.by_seed(table, scores)["specificity"].mean() for table in (first, second)]
    table = evaluation.compare_seeds(first, second, scores)
    assert table.loc["specificity", "value"] == pytest.approx(means[1] - means[0])


def test_confusion_counts_films_by_true_and_called_class():
    films = pd.DataFrame({"y": [1, 1, 1, 0, 0], "probability": [0.9, 0.8, 0.1, 0.7, 0.2]})
    table = evaluation.confusion(films, 0.5)
    assert table.loc["PNEUMONIA", "NORMAL"] == 1
    assert table.loc["NORMAL", "PNEUMONIA"] == 1
    assert table.to_numpy().sum() == 5


def test_by_subtype_gives_sensitivity_of_the_sick_and_specificity_of_the_well(scores):
    subtype = np.where(scores["y"] == 0, "normal", np.where(scores.index % 2, "viral", "bacterial"))
    films = scores.assign(subtype=subtype)
    table = evaluation.by_subtype(films, 0.5)
    assert table.loc["normal", "value"] == pytest.approx(
        evaluation.point(scores, 0.5)["specificity"]
    )
    assert table["films"].sum() == len(scores)
    assert (table["low"] <= table["value"]).all()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9564, ".956"),
        (1.0, "1.000"),
        (0.0, ".000"),
        (-0.012, "−.012"),
        (-0.0001, ".000"),
        (np.nan, "–"),
    ],
)
def test_shares_are_written_without_a_leading_zero(value, text):
    assert evaluation.short(value) == text


def test_estimates_are_written_with_their_interval():
    table = pd.DataFrame({"value": [0.9], "low": [0.85], "high": [0.95]}, index=["AUROC"])
    assert evaluation.written(table)["AUROC"] == ".900 [.850, .950]"


def test_limits_where_all_are_right_are_the_exact_ones():
    patients = pd.Series([f"p{n}" for n in range(100)])
    told = evaluation.proportion(np.ones(100, bool), patients)
    # Clopper and Pearson for 100 of 100; the "rule of three" gives .97 at 95% on one side.
    assert told == {"value": 1.0, "low": pytest.approx(0.025 ** (1 / 100)), "high": 1.0}
    none = evaluation.proportion(np.zeros(100, bool), patients)
    assert none["low"] == 0.0
    assert none["high"] == pytest.approx(1 - told["low"])


def test_limits_count_children_and_not_films():
    many = evaluation.proportion(np.ones(100, bool), pd.Series([f"p{n % 10}" for n in range(100)]))
    assert many["low"] == pytest.approx(0.025 ** (1 / 10))


def test_limits_surround_a_share_and_nothing_has_none():
    right = np.arange(200) % 4 > 0
    told = evaluation.proportion(right, pd.Series([f"p{n}" for n in range(200)]))
    assert told["value"] == pytest.approx(0.75)
    assert told["low"] == pytest.approx(0.69, abs=0.015)
    assert told["high"] == pytest.approx(0.81, abs=0.015)
    assert np.isnan(evaluation.proportion(np.array([], bool), pd.Series([], dtype=str))["value"])


def test_an_estimate_of_all_or_none_has_the_exact_limit():
    scores = pd.DataFrame(
        {
            "y": np.repeat([0, 1], 50),
            "probability": np.repeat([0.1, 0.9], 50),
            "patient": [f"p{n}" for n in range(100)],
        }
    )
    table = evaluation.estimate(scores, 0.5)
    for metric, count in (("accuracy", 100), ("sensitivity", 50), ("specificity", 50)):
        assert table.loc[metric, "value"] == 1
        assert table.loc[metric, "low"] == pytest.approx(0.025 ** (1 / count))
    none = evaluation.estimate(scores, 0.95)
    assert none.loc["sensitivity", "high"] == pytest.approx(1 - 0.025 ** (1 / 50))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.987, ".987"), (-0.36, "−.360"), (1.0, "1.000"), (299.0, "299"), (2.462, "2.5")],
)
def test_numbers_in_tables_are_shares_counts_or_have_one_decimal(value, text):
    assert evaluation.tidy(value) == text
    assert evaluation.tidy(float("nan")) == "–"
