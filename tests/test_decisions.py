"""Costs, net benefit, predictive values and calibration against answers worked out by hand."""

import numpy as np
import pytest
from scipy.special import expit

from helpers.evaluation import calibration, decisions, metrics
from tests.test_evaluation import frame


@pytest.fixture(scope="module")
def scores():
    """Ten films: at .5 one of four sick is missed, two of six healthy are alarmed."""
    p = [0.9, 0.8, 0.6, 0.2, 0.7, 0.55, 0.4, 0.3, 0.1, 0.05]
    return frame([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], p)


@pytest.fixture(scope="module")
def many():
    """Calibrated by construction: each film sick with the probability that it is given."""
    rng = np.random.default_rng(0)
    p = rng.beta(0.6, 0.6, 4000)
    return frame((rng.random(4000) < p).astype(int), p)


STAKES = decisions.Stakes(miss=90, alarm=10, prevalence=0.2)


def test_cost_per_thousand(scores):
    table = decisions.cost_curve(scores, STAKES, [0.5])
    # 200 sick, a quarter missed: 50 x 90; 800 healthy, a third alarmed: 266.7 x 10.
    assert table.loc[0.5, "value"] == pytest.approx(50 * 90 + 800 / 3 * 10)
    assert table.loc[0.5, "low"] <= table.loc[0.5, "value"] <= table.loc[0.5, "high"]
    assert decisions.baseline_costs(STAKES) == {"call everybody": 8000, "call nobody": 18000}
    assert STAKES.threshold == pytest.approx(0.1)


@pytest.mark.parametrize("bad", [(0, 1, 0.5), (1, -1, 0.5), (1, 1, 0), (1, 1, 1)])
def test_impossible_stakes_are_refused(bad):
    with pytest.raises(ValueError, match="costs must be positive"):
        decisions.Stakes(*bad)


def test_predictive_values(scores):
    # At .2: found .2 x 3/4, alarmed .8 x 1/3.
    row, alarmed = decisions.predictive_values(scores, 0.5).loc[0.2], 0.8 / 3
    assert row["PPV", "value"] == pytest.approx(0.15 / (0.15 + alarmed))
    assert row["NPV", "value"] == pytest.approx(2 * alarmed / (2 * alarmed + 0.05))


def test_the_threshold_by_cost_is_the_true_one_where_scores_are_calibrated(many):
    stakes = decisions.Stakes(miss=80, alarm=20, prevalence=float(many["y"].mean()))
    assert decisions.cost_threshold(many, stakes) == pytest.approx(0.2, abs=0.03)
    # Where half as many (in odds) are sick, only a film that is twice as sure is worth a call.
    odds = stakes.prevalence / (1 - stakes.prevalence) / 2
    rarer = decisions.Stakes(miss=80, alarm=20, prevalence=odds / (1 + odds))
    assert decisions.cost_threshold(many, rarer) == pytest.approx(1 / 3, abs=0.03)


def test_logits_of_known_probabilities():
    expected = [np.log(1e-6 / (1 - 1e-6)), -np.log(4), 0, np.log(9)]
    np.testing.assert_allclose(calibration.logit([0.0, 0.2, 0.5, 0.9]), expected, atol=1e-12)


def test_platt_scaling_leaves_calibrated_scores_and_mends_bold_ones(many):
    scale = calibration.platt(many)
    assert (scale.coef_[0, 0], scale.intercept_[0]) == pytest.approx((1, 0), abs=0.1)
    odds = 3 * calibration.logit(many["probability"]) + 1
    bold = many.assign(probability=expit(odds))
    assert calibration.calibration_error(bold)["value"] > 0.1
    mended = calibration.platt(bold).predict_proba(odds[:, np.newaxis])[:, 1]
    assert calibration.calibration_error(many.assign(probability=mended))["value"] < 0.03
    with pytest.raises(ValueError, match="2 classes"):
        calibration.platt(many[many["y"] == 1])


def test_reliability_of_calibrated_scores_holds_the_diagonal(many):
    table = calibration.reliability(many)
    assert table["films"].sum() == len(many)
    inside = (table["low"] <= table["said"]) & (table["said"] <= table["high"])
    assert inside.mean() > 0.7


def test_referring_none_gives_the_accuracy_and_referring_the_unsure_raises_it(many, scores):
    table = decisions.referral_curve(many, 0.5, decisions.certainty(many, 0.5))
    assert table.loc[0.0, "value"] == pytest.approx(metrics.point(many, 0.5)["accuracy"])
    assert table.loc[0.5, "value"] > table.loc[0.0, "value"]
    assert table.loc[0.5, "films"] == len(many) // 2
    nearest = int(np.argmin(decisions.certainty(scores, 0.31)))
    assert scores["probability"].iloc[nearest] == pytest.approx(0.3)


def test_the_band_keeps_what_was_wanted_and_refers_nobody_where_classes_are_apart(many):
    band = decisions.referral_band(many, wanted=0.95)
    outcome = decisions.referral_outcome(many, band)["value"]
    decided = many[~band.refers(many["probability"])]
    assert band.low < band.high
    assert outcome["referred"] == pytest.approx(1 - len(decided) / len(many))
    assert (many.loc[many["y"] == 1, "probability"] >= band.low).mean() >= 0.95
    assert (many.loc[many["y"] == 0, "probability"] < band.high).mean() >= 0.95
    separated = frame([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    assert band.reaching(0.99) == decisions.Band(band.low, 0.99)
    assert band.reaching(0.01) == decisions.Band(0.01, band.high)
    band = decisions.referral_band(separated)
    assert band.low == band.high
    outcome = decisions.referral_outcome(separated, band)["value"]
    assert tuple(outcome) == (0, 1, 1), "none referred, all found, all cleared"
    with pytest.raises(ValueError, match="both classes"):
        decisions.referral_band(separated.head(2))
