"""How pytest runs the notebook: what nbval compares and how long it waits."""

from __future__ import annotations

import os

import pytest

# Set here as well as in the notebook's first cell: unit tests import TensorFlow without it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Leave out of the comparison what is not a result, where the collector is a notebook."""
    if hasattr(collector, "skip_compare"):
        # Warnings differ by machine; a table's HTML repeats its text, with styling.
        collector.skip_compare += ("stderr", "text/html")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Wait a minute, not five seconds, for a cell's next output."""
    if hasattr(item, "output_timeout"):
        item.output_timeout = 60
