"""Regimes: what fusing trained models is worth, by the pool and by the number of joint rows.

Joint rows have the labels of all tasks, and no member of the pool has seen them. Fusions learn on
them; so do the models that are trained from scratch, for comparison.
"""
