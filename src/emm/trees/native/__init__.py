"""Boosted trees that other libraries trained, read from the files these libraries save."""
