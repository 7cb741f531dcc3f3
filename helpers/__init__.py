"""Work behind the notebook: films in, networks trained, results recorded and shown.

Imports run downward: config, quiet, storage, data, evaluation, models, shortcuts, training,
explain, experiments, plotting, predict, report, ``__main__``.
"""
