"""Recipes, fitting, the record, the study."""

from helpers.training import (
    fit,
    recipes,
    record,
    result,
    study,
)

__all__ = ["fit", "recipes", "record", "result", "study"]
