"""Predictions for new rows: raw rows -> encoded rows -> predictions."""
