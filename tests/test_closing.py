"""The lines that close chapters say what the numbers say, whichever way these fall."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.evaluation import decisions
from helpers.report import sentences


def rows(specificity, auroc=(0.98, 0.97, 0.99)):
    told = {"AUROC": auroc, "sensitivity": (0.97, 0.95, 0.99), "specificity": specificity}
    return pd.DataFrame(told, index=["value", "low", "high"]).T


HIGH, LOW = (0.96, 0.94, 0.98), (0.60, 0.55, 0.65)


@pytest.mark.parametrize(
    ("kept", "told"), [(LOW, "less than validation promised"), (HIGH, "about what validation")]
)
def test_the_overview_says_whether_validations_promise_was_kept(kept, told):
    promised = {"Dense": rows(HIGH), "Final": rows(HIGH)}
    text = sentences.closing_overview(promised, {"Dense": rows(LOW), "Final": rows(kept)})
    assert told in text
    assert ".980 [.970, .990]" in text
    assert "one step before" in text


def scores(shift):
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    p = np.clip(rng.normal(0.4 + shift * y, 0.2), 0, 1)
    return pd.DataFrame({"film": range(200), "patient": range(200), "y": y, "probability": p})


def test_ideas_are_sorted_by_whether_they_moved_auroc_beyond_chance():
    weak, strong = scores(0.05), scores(0.5)
    text = sentences.closing_models({"Dense": weak, "CNN 1": strong, "CNN 2": strong})
    seen, unseen = text.split("beyond chance;")
    assert "neighbourhoods (+" in seen
    assert "dropout (+.000" in unseen


def test_the_test_chapter_counts_networks_whose_specificity_fell():
    before = {"A": rows(HIGH), "B": rows(HIGH)}
    text = sentences.closing_tested(before, {"A": rows(LOW), "B": rows(HIGH)})
    assert "for 1 of them" in text
    assert "specificity from .600 [.550, .650] (A) to .960 [.940, .980] (B)" in text


@pytest.mark.parametrize(
    ("best", "told"), [(100.0, "must be checked"), (950.0, "which chance may explain")]
)
def test_the_operating_points_price_is_told_with_its_limits(best, told):
    curve = pd.DataFrame(
        {"value": [1000.0, best], "low": [900.0, best], "high": [1100.0, best]}, index=[0.1, 0.6]
    )
    stakes = decisions.Stakes(miss=1000, alarm=50, prevalence=0.2)
    text = sentences.closing_threshold(curve, stakes, 0.1)
    assert "USD 1,000 [900, 1,100]" in text
    assert told in text


@pytest.mark.parametrize(
    ("limits", "told"),
    [((0.02, 0.01, 0.03), "travel better"), ((0.02, -0.01, 0.05), "no sure difference")],
)
def test_the_study_closes_with_what_the_lungs_brought(limits, told):
    apart = pd.DataFrame({"AUROC": limits}, index=["value", "low", "high"]).T
    text = sentences.closing_study(rows(HIGH), rows(LOW), apart)
    assert told in text
    assert "60.0% [55.0, 65.0] here" in text
    assert "did not hold" in text
    assert "did not hold" not in sentences.closing_study(rows(HIGH), rows(HIGH), apart)
