"""Contradictions between a model's groups of tasks and the dataset's tasks."""

from collections.abc import Iterator, Mapping
from typing import Any

from emm.commands.contradictions.known import Known
from emm.config.project import FROM_DATA
from emm.config.signatures import keywords_of
from emm.config.task_groups import group_numbers
from emm.core.errors import ParamsError
from emm.fusion.student_settings import split_student
from emm.models import MODELS
from emm.training.settings import OptimiserSettings


def group_contradictions(known: Known) -> Iterator[ParamsError]:
    """Groups of the baselines' and the students' networks that don't fit the tasks."""
    for name in known.active.baselines:
        if name in MODELS:
            key = f"train.{name}"
            _, own = known.recipe.read_model(key, MODELS[name], OptimiserSettings, FROM_DATA)
            yield from _fault(known, key, name, own)
    for name in known.active.students:
        key = f"train.{name}"
        settings, own = split_student(known.recipe.section(key), key, str(known.recipe.path))
        yield from _fault(known, key, settings.network, own)


def _fault(
    known: Known, key: str, model: str, arguments: Mapping[str, Any]
) -> Iterator[ParamsError]:
    if "task_names" not in keywords_of(MODELS[model]):
        return
    try:
        groups = arguments.get("groups") or {}
        group_numbers(groups, known.tasks, len(known.tasks), f"{known.recipe.path}: {key}")
    except ParamsError as error:
        yield error
