"""Metrics of predictions: functions over tensors, without files and without modules.

Shapes: N rows of a split, T tasks, K points of a curve, S seeds of a model.
Scores may lie on any device and have any real dtype; sums are taken in float64 or whole numbers.
"""
