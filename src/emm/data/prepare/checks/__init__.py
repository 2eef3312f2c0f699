"""Checks of processed data, before any model is trained on it: see `check.check`."""
