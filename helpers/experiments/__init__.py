"""What was tried and measured on the way: trials, shift, trust, elsewhere; the films for it."""

from helpers.experiments import bench, elsewhere, shift, trials, trust
