"""Trained models from outside the pipeline: read, checked and scored.

No code of a model file is run or imported; only factories that the configuration names are.
"""
