"""Metrics, figures and page of few-shot images."""
