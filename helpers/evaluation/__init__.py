"""How well a network does, with intervals; thresholds, calibration, costs and referral."""

from helpers.evaluation import calibration, decisions, metrics, thresholds
from helpers.evaluation.calibration import at_prevalence, calibration_table, reliability, versions
from helpers.evaluation.decisions import (
    Stakes,
    agreement,
    baseline_costs,
    certainty,
    cost_curve,
    cost_threshold,
    net_benefit,
    predictive_values,
    referral_band,
    referral_curve,
    referral_outcome,
)
from helpers.evaluation.metrics import (
    by_seed,
    by_subtype,
    compare,
    compare_seeds,
    confusion,
    estimate,
    overview,
    short,
    tidy,
    written,
)
