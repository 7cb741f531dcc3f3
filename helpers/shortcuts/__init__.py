"""What an image gives away besides the disease, and how it may be disturbed."""

from helpers.shortcuts import acquisition, perturbations
