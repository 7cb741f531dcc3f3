"""One file a question: ``python -m benchmarks.feeding``, ``prediction``, ``replay``."""

from helpers import config

config.import_tensorflow()  # without its notes, before any script imports it
