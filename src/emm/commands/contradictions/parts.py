"""Members that know a part of the table, against the table's columns.

They are known once the dataset has been preprocessed.
"""

from collections.abc import Iterator

from emm.commands.contradictions.known import Known
from emm.core.errors import ParamsError
from emm.data.tables.schema import load_schema
from emm.training.part_settings import Part, part_faults
from emm.training.structures import read_structure
from emm.trees.settings import read_boosting


def part_contradictions(known: Known) -> Iterator[ParamsError]:
    """The columns that ``columns`` and ``rows`` of a member name, and that the table lacks."""
    path = known.project.paths(known.dataset).schema
    if not path.exists():
        return
    schema = load_schema(path)
    for key, part in _parts(known):
        for fault in part_faults(part, schema):
            yield ParamsError(
                f"{key}.{fault}",
                where=known.recipe.path,
                expected=f"columns of {path}",
                next_step="correct the name; if the columns have changed, run preprocess first",
            )


def _parts(known: Known) -> Iterator[tuple[str, Part]]:
    file = str(known.recipe.path)
    for name in known.active.trained:
        settings, _ = read_structure(known.recipe, name)
        yield f"pretrain.{name}", settings.part
    for name in known.active.trees:
        key = f"train.{name}"
        yield key, read_boosting(known.recipe.section(key), key, file).part
