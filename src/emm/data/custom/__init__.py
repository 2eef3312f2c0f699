"""Custom data: the user's CSV and Parquet files as a dataset."""
