"""Figures: every function draws on ax (made if None) and returns it."""

from helpers.plotting import (
    data,
    decisions,
    results,
    shortcuts,
    style,
)

__all__ = ["data", "decisions", "results", "shortcuts", "style"]
