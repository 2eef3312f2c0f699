"""Processed data as training reads it."""
