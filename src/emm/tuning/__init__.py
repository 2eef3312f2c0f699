"""Search over settings, judged on validation."""
