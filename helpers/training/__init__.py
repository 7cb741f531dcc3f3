"""Recipes, fitting, the record, the study."""

from helpers.training import fit, recipes, record, result, study
from helpers.training.study import Study
