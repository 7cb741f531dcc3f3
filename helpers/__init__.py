"""Work behind the notebook: films in, networks trained, results recorded and shown.

Imports run downward: config, files, quiet, manifest, dataset, generators, models, recipes,
training, progress, record, study, evaluation, shortcuts, plotting, telling, page, gallery,
layout, slides, readme, download, verify, ``__main__``.
"""
