"""What people read. ``images``, ``render`` and ``slides`` are imported by the commands alone."""

from helpers.report import console, notebook, sentences, tables
