"""Trained models as files that need neither this project nor torch."""
