"""Preprocessing: from raw files to encoded splits, and checks of the result."""
