"""Processed data: its schema, and rows as tensors, in memory or streamed from disk."""
