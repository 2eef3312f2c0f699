"""Evaluation of trained models on the test split, which no other room reads."""
