"""Notebook, README, model card, slides: what people read."""

from helpers.report import (
    console,
    notebook,
    sentences,
    tables,
)

__all__ = ["console", "notebook", "sentences", "tables"]
