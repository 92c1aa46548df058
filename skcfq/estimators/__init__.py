"""Thin scikit-learn faces over training."""
