"""Figures. A title states the finding, from what is drawn; each figure has a text for the blind."""

from helpers.plotting import data, decisions, results, shortcuts, style
