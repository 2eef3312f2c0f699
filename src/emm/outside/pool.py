"""The outside models that a recipe names."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from emm.config.project import ConfigFile
from emm.outside.settings import OutsideModel, OutsideModels


@dataclass(frozen=True)
class _Pool:
    pool: OutsideModels = field(default_factory=dict)


def read_pool(recipe: ConfigFile) -> Mapping[str, OutsideModel]:
    """The entries of ``fusion.pool``, by name; other keys of the section are other stages'."""
    return recipe.read_part("fusion", _Pool).pool
