"""Figures. A title states the finding, from what is drawn; each figure has a text for the blind."""

from matplotlib.pyplot import show

from helpers.plotting.data import (
    class_balance,
    examples,
    film,
    films,
    films_per_patient,
    mean_films,
)
from helpers.plotting.decisions import (
    ablations,
    answer,
    cost_curve,
    decision_curve,
    maps,
    predictive_values,
    referral_curve,
    reliability,
    robustness,
    worst_errors,
)
from helpers.plotting.results import (
    before_and_after,
    comparison,
    confusion,
    network,
    roc_and_pr,
    seed_difference,
    story,
    validation_against_test,
)
from helpers.plotting.shortcuts import (
    acquisition_groups,
    counterfactuals,
    errors_by_kind,
    outlines,
    ranks,
    trials,
    views_shown,
)
from helpers.plotting.style import use_style
