"""Chest X-rays and what is known of them: names and splits, any file to pixels, batches."""

import importlib
from types import ModuleType

from helpers.data import dataset, download, images, manifest
from helpers.data.dataset import load, packaged

LATE = ("augmentation", "generators")  # bring TensorFlow, which downloading is without


def __getattr__(name: str) -> ModuleType:
    """A room that is imported once it is asked for."""
    if name in LATE:
        return importlib.import_module(f"helpers.data.{name}")
    raise AttributeError(f"module {__name__} has no attribute {name}")
