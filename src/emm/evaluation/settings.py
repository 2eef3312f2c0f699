"""Settings of evaluation."""

from dataclasses import dataclass

from emm.config.binding import Count
from emm.core.errors import ParamsError


@dataclass(frozen=True)
class EvaluateSettings:
    """How predictions for test are scored.

    ``calibration_bins``: bins of equal width of the expected calibration error; ``gauc_key``: the
    column, such as the user, within whose values the GAUC ranks; null for no GAUC;
    ``sample_weights``: weigh the rows by the dataset's weights. Raises ParamsError for a GAUC of
    weighted rows.
    """

    calibration_bins: Count = 15
    gauc_key: str | None = None
    sample_weights: bool = False

    def __post_init__(self) -> None:
        if self.sample_weights and self.gauc_key is not None:
            raise ParamsError(
                "the GAUC has no version with row weights",
                where="evaluate in the dataset's data.yaml",
                got=f"sample_weights: true, gauc_key: {self.gauc_key}",
                expected="one of the two",
                next_step="set sample_weights to false, or gauc_key to null",
            )
