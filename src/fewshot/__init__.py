"""Few-shot images: episodes out of drawn characters, and MAML, which learns to learn from them.

Shapes in docstrings: B episodes of a batch, W ways (classes of an episode), K shots (support images
of a class), Q queries of a class, N images of an episode's half (W·K or W·Q), C characters,
D drawers (who drew each character once), P pixels of a side, S steps of the inner loop.
"""
