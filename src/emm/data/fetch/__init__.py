"""Download and verify raw files."""
