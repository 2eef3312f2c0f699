"""Equal weights."""

from emm.training.weighting.base import Weighting


class Equal(Weighting):
    """The mean of the tasks' losses."""
