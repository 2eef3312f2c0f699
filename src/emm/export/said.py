"""What a user reads after an export."""

from collections.abc import Iterator

from emm.export.bundle import Exported
from emm.export.signature import LOGIT_TOLERANCE, PROBABILITY_TOLERANCE


def sentences(name: str, exported: Exported) -> Iterator[str]:
    """How close the export is to the model, and a warning where it holds identifiers of people."""
    found = exported.verified
    yield (
        f"{name}: onnxruntime differs by at most {found.probabilities:.1g} in probabilities (limit "
        f"{PROBABILITY_TOLERANCE:g}) and {found.logits:.1g} in logits (limit {LOGIT_TOLERANCE:g}) "
        f"on {found.rows:,} golden rows"
        + ("; encoded columns and trees have equal bits" if found.trees else "")
    )
    if exported.identifiers:
        yield (
            f"warning: the vocabularies of {', '.join(exported.identifiers)} may identify people, "
            "and the export holds them: check whether you may pass them on; see its README.md"
        )
