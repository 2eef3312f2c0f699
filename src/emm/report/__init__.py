"""Reports from evaluation folders: metrics files, figures, Markdown pages, the README's tables.

Shapes: S seeds, N rows of the test split, T tasks, K points of a curve.
"""
