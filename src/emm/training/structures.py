"""The sections of single-task networks: which network, how it is trained, and its arguments."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emm.config.project import FROM_DATA, ConfigFile, split_section
from emm.core.errors import choose
from emm.models import MODELS
from emm.training.part_settings import Part
from emm.training.settings import OptimiserSettings

SINGLE_TASK = "single_task"

STRUCTURES = (
    SINGLE_TASK,
    *(name for name, target in MODELS.items() if target.startswith("emm.structures.")),
)
"""The networks that are trained once per task."""


@dataclass(frozen=True)
class StructureSettings(Part, OptimiserSettings):
    """The keys of a section `pretrain.<name>` that aren't arguments of its network.

    ``network``: one of `STRUCTURES`; for ``columns`` and ``rows`` see `Part`.
    """

    network: str = SINGLE_TASK


def network_of(section: Any) -> str:
    """The network that a section names."""
    given = section if isinstance(section, Mapping) else {}
    return str(given.get("network", SINGLE_TASK))


def split_structure(section: Any, key: str, file: str) -> tuple[StructureSettings, dict[str, Any]]:
    """A section as its settings and the arguments of its network.

    Raises one ParamsError for all faults; without a network it can't know the other keys.
    """
    network = network_of(section)
    choose("network", network, STRUCTURES, f"{file}: {key}.network", "correct the name")
    return split_section(section, MODELS[network], key, StructureSettings, FROM_DATA, file)


def read_structure(recipe: ConfigFile, name: str) -> tuple[StructureSettings, dict[str, Any]]:
    """The section of a structure of ``trained``; see `split_structure`."""
    key = f"pretrain.{name}"
    return split_structure(recipe.section(key), key, str(recipe.path))
