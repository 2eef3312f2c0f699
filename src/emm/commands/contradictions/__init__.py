"""Settings that are each valid and can't hold together, found before anything runs.

Each function yields errors, not raising them, so that all contradictions are reported at once.
"""

from collections.abc import Iterator

from emm.commands.contradictions.data import data_contradictions
from emm.commands.contradictions.groups import group_contradictions
from emm.commands.contradictions.known import Known
from emm.commands.contradictions.models import model_contradictions
from emm.commands.contradictions.parts import part_contradictions
from emm.commands.contradictions.pool import pool_contradictions
from emm.commands.contradictions.students import student_contradictions
from emm.config.project import Project
from emm.core.errors import ParamsError

__all__ = ["contradictions"]


def contradictions(project: Project, dataset: str) -> Iterator[ParamsError]:
    """Everything that contradicts itself in the settings of one active dataset.

    Raises ParamsError if a section that it reads isn't valid on its own.
    """
    known = Known.of(project, dataset)
    yield from data_contradictions(known)
    yield from model_contradictions(known)
    yield from group_contradictions(known)
    yield from part_contradictions(known)
    yield from pool_contradictions(known)
    yield from student_contradictions(known)
