"""Work behind the notebook: films in, networks trained, results recorded and shown.

Imports run downward: config, files, manifest, dataset, generators, models, recipes, training,
record, study, evaluation, plotting, telling, page, slides, ``__main__``.
"""
