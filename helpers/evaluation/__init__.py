"""How well a network does, with intervals; thresholds, calibration, costs and referral."""

from helpers.evaluation import calibration, decisions, metrics, thresholds
