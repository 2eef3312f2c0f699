"""The rows that the gathering stages of dvc.yaml wait for.

DVC can't expand a list in ``deps``, and a folder of all rows as one dep would break `dvc repro
--pull --allow-missing`. So `decompose` and the reports name every row, as params.yaml lists them,
`export` the outside models, and the students' stage the fused rows that teach, as the recipes say.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emm.config.active import Active
from emm.config.project import Project, load_project
from emm.core.errors import ParamsError
from emm.core.files import write_text
from emm.fusion.student_settings import split_student


@dataclass(frozen=True)
class _Gathered:
    """A stage, and the folder in which it reads one row of each name."""

    stage: str
    folder: str
    rows: Sequence[str]
    item: str = "item"

    @property
    def prefix(self) -> str:
        return f"{self.folder}/${{{self.item}}}/${{recipe}}/"


@dataclass(frozen=True)
class _Edit:
    """The lines of one stage: what to write in place of ``lines[start:end]``."""

    start: int
    end: int
    lines: Sequence[str]
    changes: Sequence[str]


def wrong_rows(dvc_yaml: Path, active: Active, teachers: Sequence[str] = ()) -> list[str]:
    """What the deps of the gathering stages and the lists of params.yaml don't agree on.

    ``teachers``: see `teachers_of`.
    """
    lines = dvc_yaml.read_text(encoding="utf-8").splitlines(keepends=True)
    gathering = _gathering(active, teachers)
    return [change for each in gathering for change in _edit(lines, each).changes]


def fix_rows(dvc_yaml: Path, params: Path) -> list[str]:
    """Write the rows that params.yaml lists into the deps of the gathering stages.

    Comments and layout stay.

    Returns: the changes, such as "decompose: + data/models/${item}/${recipe}/tm-3".
    """
    lines = dvc_yaml.read_text(encoding="utf-8").splitlines(keepends=True)
    changes: list[str] = []
    project = load_project(params)
    for gathered in _gathering(project.active, teachers_of(project)):
        edit = _edit(lines, gathered)
        lines[edit.start : edit.end] = edit.lines
        changes += edit.changes
    if changes:
        write_text(dvc_yaml, "".join(lines))
    return changes


def teachers_of(project: Project) -> list[str]:
    """The fused rows that teach students of the active datasets.

    Sections that can't be read are left to `emm check`.
    """
    found = set()
    for dataset in project.active.datasets:
        for student in project.active.students:
            try:
                section = project.recipe(dataset).section(f"train.{student}")
                settings, _ = split_student(section, f"train.{student}", "")
            except ParamsError:
                continue
            found.add(settings.fused_teacher)
    return [name for name in project.active.fused if name in found]


def _gathering(active: Active, teachers: Sequence[str]) -> list[_Gathered]:
    own = [*active.trained, *active.trees]
    episodes = [f"maml-{kind}" for kind in active.episodes]
    return [
        _Gathered("decompose", "data/models", own),
        _Gathered("decompose", "data/scores", active.outside),
        _Gathered("train-student", "data/models", [*own, *teachers], "item.dataset"),
        _Gathered("export", "data/scores", active.outside, "item.dataset"),
        _Gathered("report", "data/evaluation", active.table),
        _Gathered("fewshot-report", "data/evaluation", episodes),
    ]


def _edit(lines: Sequence[str], gathered: _Gathered) -> _Edit:
    """Compare the rows in the stage's deps with the wanted ones."""
    start, end = _deps_of(lines, gathered.stage)
    pattern = re.compile(rf"\s*- {re.escape(gathered.prefix)}([\w.-]+)\s*(#.*)?$")
    found = {
        match[1]: number for number in range(start, end) if (match := pattern.match(lines[number]))
    }
    if list(found) == list(gathered.rows):
        return _Edit(start, start, [], [])
    indent = re.match(r"\s*", lines[start])[0] if start < end else "      "  # type: ignore[index]
    first = min(found.values(), default=start)
    rows = [
        lines[found[row]] if row in found else f"{indent}- {gathered.prefix}{row}\n"
        for row in gathered.rows
    ]
    others = [lines[n] for n in range(first, end) if n not in found.values()]
    changes = [
        *(
            f"{gathered.stage}: + {gathered.prefix}{row}"
            for row in gathered.rows
            if row not in found
        ),
        *(
            f"{gathered.stage}: - {gathered.prefix}{row}"
            for row in found
            if row not in gathered.rows
        ),
    ]
    order = [f"{gathered.stage}: the order of {gathered.prefix}"]
    return _Edit(first, end, [*rows, *others], changes or order)


def _deps_of(lines: Sequence[str], stage: str) -> tuple[int, int]:
    """Where the deps of a stage start and end: lines of one indentation."""
    inside = False
    for number, line in enumerate(lines):
        if re.match(r"  \S", line) and not line.lstrip().startswith("#"):
            inside = line.split("#")[0].strip() == f"{stage}:"
        elif inside and re.match(r"\s+deps:\s*(#.*)?$", line):
            end = number + 1
            while end < len(lines) and re.match(r"\s+(- |#)", lines[end]):
                end += 1
            return number + 1, end
    raise ParamsError(
        f"dvc.yaml has no stage {stage!r} with a list of deps",
        expected=f"a stage {stage} whose deps are lines of their own",
        next_step="git restore dvc.yaml",
    )
