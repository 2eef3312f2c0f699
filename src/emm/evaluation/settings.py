"""Settings of evaluation."""

from dataclasses import dataclass

from emm.config.binding import Count


@dataclass(frozen=True)
class EvaluateSettings:
    """How predictions for test are scored.

    ``calibration_bins``: bins of equal width of the expected calibration error; ``gauc_key``: the
    column, such as the user, within whose values the GAUC ranks; null for no GAUC.
    """

    calibration_bins: Count = 15
    gauc_key: str | None = None
