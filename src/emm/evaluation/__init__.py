"""The only reader of the test split."""
