"""Contradictions of the students: what their teachers have seen, and what their networks need."""

from collections.abc import Iterator

from emm.commands.contradictions.known import Known
from emm.commands.contradictions.models import calibrator_fault, weighting_faults
from emm.commands.contradictions.pool import fused_section
from emm.config.signatures import REQUIRED, keywords_of
from emm.core.errors import ParamsError
from emm.fusion.student_settings import split_student, student_faults
from emm.models import MODELS
from emm.training.settings import no_funnel


def student_contradictions(known: Known) -> Iterator[ParamsError]:
    """What the students' sections contradict."""
    fused = known.active.fused
    for name in known.active.students:
        key, path = f"train.{name}", known.recipe.path
        settings, arguments = split_student(known.recipe.section(key), key, str(path))
        teacher = settings.fused_teacher
        teaches = fused_section(known, teacher)[1:] if teacher in fused else None
        yield from student_faults(key, known.fusion, settings, fused, teaches, path)
        if settings.soft_targets and len(known.tasks) < 2:
            yield ParamsError(
                "a pool teaches two tasks or more",
                where=f"{path}: {key}.soft_targets",
                got=f"{known.dataset} has the task {known.tasks[0]} only",
                expected="at least two tasks, or soft_targets: 0",
                next_step=f"write `soft_targets: 0`, or add a task in {known.data.path}",
            )
        tasks = 1 if settings.network == "single_task" else len(known.tasks)
        yield from weighting_faults(known, key, settings, tasks)
        yield from calibrator_fault(known, key, settings.network, arguments)
        required = keywords_of(MODELS[settings.network]).get("funnel", (None, None))[1] is REQUIRED
        if required and not known.preprocess.funnel:
            yield no_funnel(settings.network, known.dataset, known.tasks)
