"""Training of students: networks that learn from labels and from a teacher's soft targets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from emm.config.project import Project
from emm.core.files import write_json
from emm.data.tables.soft_targets import with_soft_targets
from emm.fusion.emm import EMM
from emm.fusion.exchanged_rows import add_exchanged
from emm.fusion.fuse import NOT_SET
from emm.fusion.member_facts import save_facts
from emm.fusion.settings import FusedSettings, FusionSettings
from emm.fusion.student_settings import (
    TEACHER,
    StudentSettings,
    split_student,
    student_faults,
)
from emm.fusion.teacher import Lesson, TeacherFiles, lesson_of, open_teacher, say_lesson
from emm.fusion.trained_models import own_networks
from emm.models import model_class
from emm.training.auto import complete_recipe
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext, schedule_of
from emm.training.fit import Schedule, fit
from emm.training.history import run_record, write_history
from emm.training.jobs import Job
from emm.training.networks import build_network, fresh_network
from emm.training.settings import TrainingSettings
from emm.training.store import save_model

FORMAT = 1
PER_TASK = "single_task"
"""The network that is trained once per task."""


@dataclass(frozen=True)
class Student:
    """A student of a recipe: its settings, the arguments of its network, and its teacher's files,
    None without a teacher."""

    name: str
    settings: StudentSettings
    arguments: Mapping[str, Any]
    files: TeacherFiles | None


def train_student(
    out: Path,
    context: TrainingContext,
    checkpoint: Checkpoint | None = None,
    *,
    student: Student,
    training: TrainingSettings,
    fusion: FusionSettings,
) -> None:
    """Train a student with every seed; write the models, history.json and teacher.json to ``out``.

    The student of a seed learns from the teacher of that seed. ``checkpoint``: that of the stage,
    from which an interrupted training resumes.
    """
    training = with_epochs(training, student.settings)
    tasks, records, lessons = context.schema.tasks, list[dict[str, Any]](), list[Lesson]()
    every = schedule_of(training, student.settings, context.schema)
    for seed in training.seeds:
        taught, lesson = teach(context, student, fusion, seed)
        lessons += [lesson] if lesson else []
        for own, task in _parts(taught, student.settings.network):
            folder = out / f"seed-{seed}" / (task or "")
            schedule = every.task(tasks.index(task)) if task else every
            records.append(_train(folder, own, student, schedule, seed, task, checkpoint))
        save_facts(out / f"seed-{seed}", lesson.facts if lesson else ())
    write_history(out, records)
    write_json(out / TEACHER, _described(student, tasks, training.seeds, lessons))


def _train(
    folder: Path,
    context: TrainingContext,
    student: Student,
    schedule: Schedule,
    seed: int,
    task: str | None,
    checkpoint: Checkpoint | None,
) -> dict[str, Any]:
    """Train and store one network; returns its run for history.json.

    ``context``: that of the network's tasks; ``task``: that of a network of one task.
    """
    settings, schema = student.settings, context.schema
    names = (student.name, *([task] if task else []))
    build = partial(build_network, model_class(settings.network), student.arguments)
    model, arguments = fresh_network(build, context, seed, *names)
    epochs = fit(
        model,
        context.train,
        context.validation,
        schedule,
        seed=seed,
        names=names,
        checkpoint=checkpoint,
    )
    about = context.describe(student.name, settings.network, arguments, seed)
    save_model(folder, model, about)
    return run_record(seed, schema.tasks, epochs, task, kinds=schema.task_kinds)


def teach(
    context: TrainingContext, student: Student, fusion: FusionSettings, seed: int
) -> tuple[TrainingContext, Lesson | None]:
    """The context with the soft targets of a student's rows, and what its teacher says of them."""
    if student.files is None:
        return context, None
    settings = student.settings
    teacher = open_teacher(context, student.files, fusion, seed)
    lesson = lesson_of(context, teacher, fusion)
    say_lesson(student.name, seed, lesson, context.schema.tasks)
    rows = with_soft_targets(context.train, lesson.logits, settings.distillation)
    if settings.exchanged:
        rows = add_exchanged(rows, context, teacher, fusion, settings.exchanged)
    return replace(context, train=rows), lesson


def with_epochs(training: TrainingSettings, settings: StudentSettings) -> TrainingSettings:
    """The protocol with the student's own number of epochs, if it has one."""
    if settings.max_epochs is None:
        return training
    return replace(training, max_epochs=settings.max_epochs)


def _parts(context: TrainingContext, network: str) -> Iterator[tuple[TrainingContext, str | None]]:
    """The contexts of a student's networks: one of all tasks, or one for each task."""
    if network != PER_TASK:
        yield context, None
        return
    for number, task in enumerate(context.schema.tasks):
        yield context.task(number), task


def _described(
    student: Student, tasks: Sequence[str], seeds: Sequence[int], lessons: Sequence[Lesson]
) -> dict[str, Any]:
    """A student's teacher as JSON; scores have one value per seed."""
    settings = student.settings
    scores = {
        task: {
            "train": [lesson.train[number] for lesson in lessons],
            "validation": [lesson.validation[number] for lesson in lessons],
        }
        for number, task in enumerate(tasks)
    }
    return {
        "format": FORMAT,
        "network": settings.network,
        "teacher": settings.teacher if student.files else None,
        "soft_targets": settings.soft_targets,
        "temperature": settings.temperature,
        "exchanged": settings.exchanged if student.files else 0.0,
        "seeds": list(seeds),
        "scores": scores if lessons else {},
        "outside": list(lessons[0].outside) if lessons else [],
    }


def read_student(
    project: Project, dataset: str, name: str, section: Any, fusion: FusionSettings, file: str
) -> Student:
    """A student with a ``section``, that of the recipe or one that is tried.

    Raises ParamsError if it is wrong, or if the student couldn't learn honestly.
    """
    key, paths = f"train.{name}", project.paths(dataset)
    settings, arguments = split_student(section, key, file)
    teacher, fused, teaches = settings.fused_teacher, project.active.fused, None
    if teacher in fused:
        recipe = complete_recipe(project, dataset)
        teaches = recipe.read_model(f"train.{teacher}", EMM, FusedSettings, NOT_SET)
    for fault in student_faults(key, fusion, settings, fused, teaches, file):
        raise fault
    networks = own_networks(fusion, project.active.trained)
    files = TeacherFiles(
        paths.components,
        paths.model(teacher) if teacher else None,
        {each: paths.model(each) for each in networks},
        {each: paths.model(each) for each in fusion.trees},
    )
    return Student(name, settings, arguments, files if settings.soft_targets else None)


def student_job(project: Project, dataset: str, model: str) -> Job:
    """A student of the pool that the stage `decompose` stored, or of a model fused from it."""
    recipe = complete_recipe(project, dataset)
    training = recipe.read("training", TrainingSettings)
    fusion = recipe.read("fusion", FusionSettings)
    section = recipe.section(f"train.{model}")
    student = read_student(project, dataset, model, section, fusion, str(recipe.path))
    files = student.files
    sources = [files.components, files.fused] if files else []
    if files and student.settings.exchanged:
        sources += [*files.networks.values(), *files.trees.values()]

    return Job(
        training,
        {"training": training, "student": asdict(student.settings), "section": section}
        | {"fusion": fusion},
        partial(train_student, student=student, training=training, fusion=fusion),
        sources=[each for each in sources if each],
        code=(Path("pool"),),
    )
