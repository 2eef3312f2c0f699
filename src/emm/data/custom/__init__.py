"""The user's own CSV or Parquet files as a dataset."""
