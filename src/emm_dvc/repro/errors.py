"""Not among the core's errors: every stage of the pipeline depends on these."""

from emm.core.errors import EmmError


class StageError(EmmError):
    """Stages of the pipeline failed, or DVC can't read the graph."""
