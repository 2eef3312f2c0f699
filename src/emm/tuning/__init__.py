"""Tuning: the search for hyper-parameters on validation."""
