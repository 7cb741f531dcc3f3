"""Figures. A title states the finding, from what is drawn; each figure has a text for the blind."""

from matplotlib.pyplot import show

from helpers.plotting.data import (
    acquisition_groups,
    class_balance,
    counterfactuals,
    examples,
    film,
    films,
    films_per_patient,
    mean_films,
    outlines,
    views_shown,
)
from helpers.plotting.decisions import (
    ablations,
    cost_curve,
    decision_curve,
    errors_by_kind,
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
    ranks,
    roc_and_pr,
    seed_difference,
    story,
    trials,
    validation_against_test,
)
from helpers.plotting.style import use_style
