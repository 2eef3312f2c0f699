"""Settings of a student: its network, its teacher, and how it learns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emm.config.binding import Count, Positive, Share
from emm.config.project import FROM_DATA, split_section
from emm.core.errors import ParamsError, choose
from emm.data.tables.soft_targets import Distillation
from emm.fusion.rules import rows_of
from emm.fusion.settings import FusedSettings, FusionSettings
from emm.models import MODELS
from emm.training.settings import OptimiserSettings

POOL = "pool"
"""The teacher that is no fused row: the mean of the logits of all members of the pool."""

TEACHER = "teacher.json"
"""File in the folder of a trained student that says who taught it, and how well."""

NETWORKS = tuple(name for name, target in MODELS.items() if target.startswith("emm.models."))
"""The networks that a student may be."""


FusedSection = tuple[FusedSettings, Mapping[str, Any]]
"""The settings of a fused row and its arguments of `EMM`."""


@dataclass(frozen=True)
class StudentSettings(OptimiserSettings):
    """How a student is trained; the other keys of its section are the arguments of its network.

    Attributes:
        network: one of `NETWORKS`.
        teacher: a fused row, or ``pool``.
        soft_targets: the weight of the teacher's predictions in the loss, 0 to 1; the labels have
            the rest. 0: the network learns on the labels only, and there is no teacher.
        temperature: divides the logits of teacher and student in the loss.
        exchanged: adds as many rows as train has, in which this share of each column's values
            comes from other rows; only the teacher labels them. 0: none.
        max_epochs: null: those of ``training``.
    """

    network: str = field(kw_only=True)
    teacher: str = POOL
    soft_targets: Share = 0.9
    temperature: Positive = 1.0
    exchanged: Share = 0.0
    max_epochs: Count | None = None

    @property
    def fused_teacher(self) -> str | None:
        """The fused row that teaches; None for the pool, and without a teacher."""
        return self.teacher if self.soft_targets and self.teacher != POOL else None

    @property
    def distillation(self) -> Distillation:
        """How rows teach it."""
        return Distillation(self.soft_targets, self.temperature)


def split_student(section: Any, key: str, file: str) -> tuple[StudentSettings, dict[str, Any]]:
    """A student's section as its settings and the arguments of its network.

    Raises one ParamsError for all faults; without a network it can't know the other keys.
    """
    given = section if isinstance(section, Mapping) else {}
    network = str(given.get("network", ""))
    where, step = f"{file}: {key}.network", f"write `network: {NETWORKS[1]}`, or another one"
    choose("network", network, NETWORKS, where, step)
    return split_section(given, MODELS[network], key, StudentSettings, FROM_DATA, file)


def student_faults(
    key: str,
    fusion: FusionSettings,
    settings: StudentSettings,
    fused: Sequence[str],
    teaches: FusedSection | None,
    file: object = None,
) -> Iterator[ParamsError]:
    """What a student can't learn honestly: predictions of a teacher that has seen the rows.

    ``fused``: the fused rows of params.yaml; ``teaches``: the section of the one that teaches.
    """
    if not settings.soft_targets:
        return
    where = f"{file}: {key}" if file else key
    yield from _teacher_faults(where, fusion, settings.teacher, fused, teaches)
    if fusion.fit_on != "out-of-fold":
        yield ParamsError(
            "a student needs predictions of models that haven't seen the row, and this recipe "
            "trains its pool without folds",
            where=f"{where}.soft_targets",
            got=f"soft_targets: {settings.soft_targets}, fusion.fit_on: {fusion.fit_on}",
            expected="fusion.fit_on: out-of-fold",
            next_step="write `fit_on: out-of-fold` in fusion, which trains each member once more "
            "per fold; or `soft_targets: 0`, to learn on the labels only",
        )
    elif settings.exchanged and fusion.pool:
        yield ParamsError(
            "models from outside can't label rows whose values were exchanged",
            where=f"{where}.exchanged",
            got=f"exchanged: {settings.exchanged}, and {', '.join(fusion.pool)} in fusion.pool",
            expected="exchanged: 0",
            next_step="write it, or leave fusion.pool empty",
        )


def _teacher_faults(
    where: str,
    fusion: FusionSettings,
    teacher: str,
    fused: Sequence[str],
    teaches: FusedSection | None,
) -> Iterator[ParamsError]:
    """Why a teacher can't teach. With a pool that has seen the rows, none can."""
    mean = f"write `teacher: {POOL}`, the mean of the pool"
    if teacher != POOL and teacher not in fused:
        yield ParamsError(
            f"{teacher!r} can't teach: it is no fused row",
            where=f"{where}.teacher",
            got=teacher,
            expected=f"{POOL}, or among `fused` in params.yaml: {', '.join(fused) or 'none'}",
            next_step=f"{mean}, or add {teacher} to `fused`",
        )
    if teaches is None or fusion.fit_on != "out-of-fold":
        return
    if rows_of(fusion, teaches[0]) != "out-of-fold":
        yield ParamsError(
            f"{teacher} can't teach: it has learned on predictions for rows that its members have "
            "seen",
            where=f"{where}.teacher",
            got=f"{teacher}, with fit_on: {teaches[0].fit_on}",
            expected="a fused row that learns out of fold",
            next_step=f"{mean}, or take another fused row",
        )
    elif learned := _learned_of_rows(*teaches):
        yield ParamsError(
            f"{teacher} can't teach: it has learned more from the labels of train than a weight "
            "for each member",
            where=f"{where}.teacher",
            got=f"{teacher}, with {learned}",
            expected="variant: ensemble, aligned with constant_gates: true, or stacked with "
            "steps: [weights]",
            next_step=f"{mean}, or take another fused row",
        )


def _learned_of_rows(settings: FusedSettings, arguments: Mapping[str, Any]) -> str:
    """What in a fused model can know single rows of train by heart; "" if nothing."""
    variant = arguments["variant"]
    if variant == "aligned" and not arguments["constant_gates"]:
        return "constant_gates: false"
    others = [step for step in settings.stacking.steps if step != "weights"]
    return f"steps: {', '.join(others)}" if variant == "stacked" and others else ""
