"""Metrics of predictions, as functions of tensors.

Shapes: N rows of a split, T tasks, K points of a curve, S seeds of a model.
Scores may be on any device and of any real dtype; sums are computed in float64 or integers.
"""
