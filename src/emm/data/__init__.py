"""Data of the pipeline: where it comes from, and how raw files become tables that models read."""
