"""Stacking: the members' logits are combined by a ladder of steps, from their plain average on.

Each step is kept only if cross-validation prefers it beyond its standard error, so that a fusion
which has nothing to learn is the average.
"""
