"""From evaluation folders to what people read: metrics files, the report page, the README table.

Shapes: S seeds, N rows of the test split, T tasks, K points of a curve.
"""
