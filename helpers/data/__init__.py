"""Chest X-rays and what is known of them: names and splits, any file to pixels, batches."""

from helpers.data import augmentation, dataset, download, generators, images, manifest
