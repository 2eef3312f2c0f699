"""Registered datasets, one module each, and what describes them."""
