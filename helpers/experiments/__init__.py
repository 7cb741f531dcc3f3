"""What was tried and measured on the way: trials, trust."""

from helpers.experiments import (
    attention,
    evidence,
    fooling,
    reliance,
    trials,
    trust,
    verdict,
    verify,
)

__all__ = ["attention", "evidence", "fooling", "reliance", "trials", "trust", "verdict", "verify"]
