"""The networks: classifiers, lung segmentation, input check."""

from helpers.models import classifiers, ensemble, input_check, lungs, views
