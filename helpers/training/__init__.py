"""Recipes, fitting, the record, the study."""

from helpers.training import fit, recipes, record, study
