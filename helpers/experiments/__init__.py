"""What was tried and measured on the way: trials, shift, trust; the films for it."""

from helpers.experiments import bench, shift, trials, trust
