"""Encode, split and check data."""
