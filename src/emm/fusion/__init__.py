"""EMM: trained single-task models are decomposed, and their components are fused.

"Efficient Multi-Task Modeling through Automated Fusion of Trained Models", Zhou et al.,
arXiv 2504.09812.
"""
