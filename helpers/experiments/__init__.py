"""What was tried and measured on the way: trials, shift, trust and its tables."""

from helpers.experiments import bench, shift, trials, trust, trust_tables

__all__ = ["bench", "shift", "trials", "trust", "trust_tables"]
