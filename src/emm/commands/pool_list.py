"""`emm pool list`: the members of the pool, as far as the stages have worked on them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from emm.config.project import Project
from emm.core.errors import ModelFileError
from emm.core.paths import Paths
from emm.fusion.member_facts import MemberFacts, load_facts
from emm.fusion.settings import FusionSettings
from emm.outside.member import MEMBER, Checked, MemberDescription, read_member
from emm.outside.settings import NO_REFERENCE, OutsideModel

HEADINGS = ("member", "task", "kind", "joins", "levels", "AUC", "share", "checked")
JOINS = {  # by `join` of what the stages have written
    "cut": "layers",
    "torch": "torch",
    "rounds": "rounds",
    "whole": "whole",
    "opaque": "opaque",
}
CAPTION = "AUC: on validation; checked: largest difference from the model's own predictions"

Row = tuple[str, ...]


def pool_table(project: Project, dataset: str) -> Table:
    """The members that are decomposed, and the outside models that aren't yet.

    Raises ParamsError for an unknown dataset, ModelFileError for a damaged file.
    """
    pool = project.recipe(dataset).read("fusion", FusionSettings).pool
    paths = project.paths(dataset)
    title = f"{dataset}, recipe {project.active.recipe}"
    seeds = sorted(paths.components.glob("seed-*"), key=lambda each: int(each.name[5:]))
    if len(seeds) > 1:
        title += f": {seeds[0].name} of {len(seeds)}"
    table = Table(title=title, padding=0)
    for number, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="right" if number > 3 else "left", overflow="fold")
    for row in (*_decomposed(seeds[0] if seeds else None, pool), *_waiting(paths, seeds, pool)):
        table.add_row(*row)
    waiting = f"nothing is decomposed yet: dvc repro decompose@{dataset}"
    table.caption = CAPTION if seeds else f"{CAPTION}\n{waiting}"
    return table


def _decomposed(folder: Path | None, pool: Mapping[str, OutsideModel]) -> Iterator[Row]:
    """The members of one seed's pool; outside models that are no longer named are left out."""
    if folder is None:
        return
    levels = _levels(folder)
    count = max(levels.values(), default=0)
    for member in load_facts(folder):
        if not member.outside or member.name in pool:
            yield _row(member, levels.get(member.name, count))


def _row(member: MemberFacts, levels: int) -> Row:
    return (
        member.name,
        member.task,
        member.kind,
        JOINS[member.join],
        str(levels),
        _score(member.metric, member.validation),
        f"{member.share:.2f}",
        _checked(member.checked) if member.outside else "-",
    )


def _waiting(paths: Paths, seeds: list[Path], pool: Mapping[str, OutsideModel]) -> Iterator[Row]:
    """The outside models that aren't decomposed: scored ones, and those that no stage has read."""
    known = {member.name for member in (load_facts(seeds[0]) if seeds else ())}
    for name, entry in pool.items():
        if name in known:
            continue
        folder = paths.scores(name)
        if (folder / MEMBER).exists():
            yield _scored(read_member(folder))
        else:
            checked = "no reference" if entry.reference == NO_REFERENCE else "-"
            yield name, entry.task, "-", "unscored", "-", "-", "-", checked


def _scored(member: MemberDescription) -> Row:
    quality = member.quality
    return (
        member.name,
        member.task,
        member.kind,
        JOINS[member.join.kind],
        "-",
        _score(quality.metric, quality.validation) if quality else "-",
        "-",
        _checked(member.checked),
    )


def _score(metric: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if metric == "auc" else f"R² {value:.4f}"


def _checked(checked: Checked | None) -> str:
    if checked is None:
        return "unchecked"
    return f"{checked.largest_difference:.1g}"


def _levels(folder: Path) -> dict[str, int]:
    """The number of levels of each network of a stored pool."""
    path = folder / "components.json"
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
        return {str(each["name"]): len(each["levels"]) for each in tree["members"]["networks"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(
            f"{path} can't be read: {error}", where=path, next_step="dvc checkout, or dvc repro"
        ) from error
