"""AutoMTL: architecture search for multi-task models. Jiang et al., KDD 2024.

The search space (DESAN), the supernet that contains all of its architectures, and the search
(PD-DARTS) that reduces it to one. `emm.automtl.network` is the model of that architecture.
"""
