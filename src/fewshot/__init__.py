"""Few-shot learning on images: episodes of drawn characters, and MAML.

Shapes in docstrings: B episodes in a batch, W ways (classes per episode), K shots (support images
per class), Q query images per class, N images of one half of an episode (W·K or W·Q),
C characters, D drawers (each drew every character once), P image side in pixels, S inner steps.
"""
