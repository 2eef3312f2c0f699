"""Several stages of the DVC graph at once: ready stages go to free slots, DVC does the rest.

Nothing of the pipeline imports this package, and nothing here imports the pipeline.
"""
