"""Metrics against scikit-learn and by hand; intervals, thresholds, comparisons."""

import time

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from helpers import config
from helpers.evaluation import metrics, thresholds


def frame(y, probability):
    count = range(len(y))
    return pd.DataFrame({"film": count, "patient": count, "y": y, "probability": probability})


@pytest.fixture
def scores():
    """Two hundred films of 120 patients, with ties among the probabilities."""
    rng = np.random.default_rng(7)
    y = (rng.random(200) < 0.6).astype(int)
    p = np.round(np.clip(rng.normal(0.35 + 0.3 * y, 0.2), 0, 1), 2)
    return frame(y, p).assign(patient=[f"p{n}" for n in rng.integers(0, 120, 200)])


def test_metrics_equal_scikit_learns_with_and_without_weights(scores):
    y, p = scores["y"], scores["probability"]
    weights = metrics.with_draws(scores["patient"], count=4)
    ours = metrics.weighted_metrics(scores, 0.5, weights)
    for row, weight in enumerate(weights):
        called, w = p >= 0.5, {"sample_weight": weight}
        expected = {
            "accuracy": sk.accuracy_score(y, called, **w),
            "sensitivity": sk.recall_score(y, called, **w),
            "specificity": sk.recall_score(y, called, pos_label=0, **w),
            "AUROC": sk.roc_auc_score(y, p, **w),
            "Brier": sk.brier_score_loss(y, p, **w),
        }
        assert ours.loc[row].to_dict() == pytest.approx(expected)
    assert metrics.point(scores, 0.5).to_dict() == pytest.approx(ours.loc[0].to_dict())


def test_metrics_of_a_case_counted_by_hand():
    films = frame([1, 1, 1, 1, 0, 0, 0], [0.9, 0.8, 0.6, 0.2, 0.7, 0.3, 0.1])
    point = metrics.point(films, 0.6)  # a film at the threshold is called
    # Of 12 pairs, .6 < .7, .2 < .7 and .2 < .3 are out of order.
    expected = {"sensitivity": 3 / 4, "specificity": 2 / 3, "accuracy": 5 / 7, "AUROC": 9 / 12}
    assert point[list(expected)].to_dict() == pytest.approx(expected)
    table = metrics.confusion(films, 0.6)
    assert table.loc["NORMAL", ["NORMAL", "PNEUMONIA"]].tolist() == [2, 1]
    assert table.loc["PNEUMONIA", ["NORMAL", "PNEUMONIA"]].tolist() == [1, 3]


def test_all_films_of_a_patient_are_drawn_together_and_alike_for_a_seed(scores):
    weights = pd.DataFrame(metrics.with_draws(scores["patient"], count=50)[1:].T)
    by_patient = weights.groupby(scores["patient"])
    assert by_patient.min().equals(by_patient.max())
    assert (by_patient.first().sum() == by_patient.ngroups).all()
    for seed, same in ((config.SEED, True), (4, False)):
        again = metrics.with_draws(scores["patient"].copy(), 50, seed)[1:]
        assert np.array_equal(again.T, weights) == same


def test_the_interval_is_near_the_binomial_one_and_narrows_with_more_patients(scores):
    one = metrics.estimate(scores.assign(patient=scores["film"]), 0.5)
    fourfold = pd.concat([scores.assign(patient=scores["film"] + 200 * k) for k in range(4)])
    four = metrics.estimate(fourfold, 0.5)
    assert ((one["low"] <= one["value"]) & (one["value"] <= one["high"])).all()
    accuracy = one.loc["accuracy", "value"]
    widths = [(table["high"] - table["low"])["accuracy"] for table in (one, four)]
    assert widths[0] / 2 == pytest.approx(1.96 * np.sqrt(accuracy * (1 - accuracy) / 200), rel=0.1)
    # Standard errors fall with the root of the number of patients.
    assert widths[1] / widths[0] == pytest.approx(0.5, abs=0.08)


def test_ten_networks_are_bootstrapped_within_five_seconds():
    rng = np.random.default_rng(0)
    films = frame(rng.integers(0, 2, 624), rng.random(624)).assign(patient=np.arange(624) // 1.5)
    start = time.process_time()
    for _ in range(10):
        metrics.bootstrap(films, 0.5)
    assert time.process_time() - start < 5


def test_an_estimate_of_all_or_none_has_the_exact_limit():
    separated = frame(np.repeat([0, 1], 50), np.repeat([0.1, 0.9], 50))
    table = metrics.estimate(separated, 0.5)
    for metric, count in (("accuracy", 100), ("sensitivity", 50), ("specificity", 50)):
        assert table.loc[metric].tolist() == pytest.approx([1, 0.025 ** (1 / count), 1])
    none = metrics.estimate(separated, 0.95)
    assert none.loc["sensitivity", "high"] == pytest.approx(1 - 0.025 ** (1 / 50))


def test_a_proportion_counts_children_and_a_mean_the_weights():
    # Clopper and Pearson for 100 of 100; the "rule of three" gives .97 at 95% on one side.
    for children in (100, 10):
        patients, limit = pd.Series(np.arange(100) % children), 0.025 ** (1 / children)
        every = metrics.proportion(np.ones(100, bool), patients)
        assert every == {"value": 1, "low": pytest.approx(limit), "high": 1}
        none = metrics.proportion(np.zeros(100, bool), patients)
        assert none == {"value": 0, "low": 0, "high": pytest.approx(1 - limit)}
    some = metrics.proportion(np.arange(200) % 4 > 0, pd.Series(np.arange(200)))
    assert some == pytest.approx({"value": 0.75, "low": 0.69, "high": 0.81}, abs=0.015)
    nobody = metrics.proportion(np.array([], bool), pd.Series([], dtype=str))
    assert np.isnan(list(nobody.values())).all()
    values, weights = np.array([1.0, 2.0, 6.0]), np.array([2, 1, 0])
    mean = metrics.bootstrap_mean(values, pd.Series(list("abc")), weights)
    assert mean == {"value": pytest.approx(4 / 3), "low": 1, "high": 2}


def test_accuracy_by_subtype_is_sensitivity_of_the_sick_and_specificity_of_the_well(scores):
    kind = np.where(scores["y"] == 0, "normal", np.where(scores.index % 2, "viral", "bacterial"))
    table = metrics.accuracy_by(scores.assign(subtype=kind), 0.5, "subtype")
    assert set(table.index) == {"normal", "bacterial", "viral"}
    assert table.loc["normal", "value"] == pytest.approx(metrics.point(scores, 0.5)["specificity"])
    assert table["films"].sum() == len(scores)
    assert (table["low"] <= table["value"]).all()


@pytest.mark.parametrize("wanted", [0.9, 0.95, 0.98, 1.0])
def test_the_operating_threshold_keeps_its_promise_and_is_the_highest_that_does(scores, wanted):
    threshold = thresholds.operating_threshold(scores, wanted)
    assert metrics.point(scores, threshold)["sensitivity"] >= wanted
    above = scores.loc[scores["probability"] >= threshold, "probability"].min() + 1e-6
    assert metrics.point(scores, above)["sensitivity"] < wanted
    assert thresholds.operating_threshold(frame([0, 1, 1], [1.0] * 3), wanted) == 0.5, "everybody"
    if wanted < 1:  # it lies between two scores
        assert np.abs(scores["probability"] - threshold).min() > 1e-3


@pytest.mark.parametrize(("y", "wanted"), [(1, 0), (1, -0.1), (1, 1.1), (0, 0.9)])
def test_no_threshold_is_chosen_for_an_impossible_sensitivity_or_without_the_sick(y, wanted):
    with pytest.raises(ValueError, match=f"sensitivity {wanted}" if y else "no pneumonia"):
        thresholds.operating_threshold(frame([y], [0.1]), wanted)


def test_a_paired_comparison_is_sharper_than_two_intervals(scores):
    assert (metrics.compare(scores, scores, (0.5, 0.5)) == 0).all(axis=None)
    better = scores.assign(probability=0.96 * scores["probability"] + 0.04 * scores["y"])
    table = metrics.compare(scores, better, (0.5, 0.5)).loc["AUROC"]
    alone = metrics.estimate(scores, 0.5).loc["AUROC"]
    assert table["low"] > 0
    assert table["high"] - table["low"] < (alone["high"] - alone["low"]) / 2
    with pytest.raises(ValueError, match="different films"):
        metrics.compare(scores, scores.iloc[::-1], (0.5, 0.5))


def test_seeds_are_compared_by_their_means_and_their_spread_widens_the_interval(scores):
    p = scores["probability"]
    equal = pd.DataFrame({1: p, 2: p})
    first, second = pd.DataFrame({1: p, 2: p**1.2}), pd.DataFrame({1: p**0.8, 2: p, 3: p**0.5})
    none = metrics.compare_seeds(equal, equal, scores).loc["specificity"]
    assert none.to_numpy() == pytest.approx(0, abs=1e-12)
    some = metrics.compare_seeds(first, second, scores).loc["specificity"]
    assert some["low"] < some["value"] < some["high"]
    means = [metrics.by_seed(table, scores)["specificity"].mean() for table in (first, second)]
    assert some["value"] == pytest.approx(means[1] - means[0])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.9564, ".956"), (1.0, "1.000"), (-0.012, "−.012"), (-0.0001, ".000"), (np.nan, "–")],
)
def test_shares_lose_the_leading_zero_and_other_numbers_their_decimals(value, text):
    assert metrics.short(value) == metrics.tidy(value) == text
    assert [metrics.short(299.0), metrics.short(2.462)] == ["299.000", "2.462"]
    assert [metrics.tidy(299.0), metrics.tidy(2.462)] == ["299", "2.5"]


def test_estimates_are_written_with_their_interval():
    rows = ["AUROC", "accuracy", "sensitivity", "specificity"]
    table = pd.DataFrame([{"value": 0.9, "low": 0.85, "high": 0.95}] * 4, index=rows)
    assert metrics.written(table)["AUROC"] == ".900 [.850, .950]"
    assert list(metrics.overview({"a": table}).loc["a"]) == [".900 [.850, .950]"] * 4
