"""The project's own idea: trained models taken apart, and their components fused (EMM).

"Efficient Multi-Task Modeling through Automated Fusion of Trained Models", Zhou et al.,
arXiv 2504.09812.
"""
