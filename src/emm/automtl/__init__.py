"""AutoMTL: architecture search for multi-task models. Jiang et al., KDD 2024.

The search space (DESAN), the supernet that holds all of it at once, and the search (PD-DARTS) that
takes it apart until one architecture is left. `emm.automtl.network` builds that architecture.
What isn't the search itself knows `emm.nn` alone.
"""
