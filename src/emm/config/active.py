"""params.yaml: what is active."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from emm.config.binding import Positive
from emm.core.errors import nearest

_NAME = re.compile(r"\w[\w.-]*")


@dataclass(frozen=True)
class Active:
    """params.yaml: what runs.

    Attributes:
        datasets: each has a folder in conf/.
        recipe: the file of hyper-parameters in that folder, without .yaml.
        trained: structures of single-task networks, each trained once per task.
        trees: boosted trees, one ensemble per task.
        baselines: multi-task models that are trained from scratch.
        outside: trained models from outside, which the recipe names in fusion.pool.
        fused: models fused from the pool.
        searched: models whose architecture is searched for first.
        students: small networks that learn from fused models or from the pool.
        table: models of the report's table, in its order.
        exported: models of the table that are written as folders which run without this project.
        images: sets of few-shot images.
        episodes: kinds of episodes that are learned on them.
        memory_gib: memory for the rows of train and validation on the training device, in GiB;
            null: two thirds of what is free. What doesn't fit is streamed.
    """

    datasets: tuple[str, ...]
    recipe: str
    trained: tuple[str, ...]
    baselines: tuple[str, ...]
    fused: tuple[str, ...]
    table: tuple[str, ...]
    trees: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()
    students: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    exported: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    episodes: tuple[str, ...] = ()
    memory_gib: Positive | None = None


def active_faults(active: Active) -> Iterator[str]:
    """What the lists of params.yaml contradict each other in, or name wrongly."""
    groups = ("trained", "trees", "baselines", "fused", "searched", "students")
    lists = (*groups, "outside")
    models = {name for group in groups for name in getattr(active, group)}
    listed = [(group, name) for group in lists for name in getattr(active, group)]
    for number, (group, name) in enumerate(listed):
        for other in (earlier for earlier, same in listed[:number] if same == name):
            if other != group:
                yield f"{group}: {name!r} is in {other}, too; a name stands for one model"
    for key in ("datasets", *lists):
        for name in getattr(active, key):
            if not _NAME.fullmatch(name):
                yield f"{key}: got {name!r}, expected letters, digits, '-', '_' and '.' only"
    for name in active.table:
        if name not in models:
            among = f"{', '.join(groups[:-1])} nor {groups[-1]}"
            yield f"table: {name!r} is neither in {among}; {nearest(name, models)}"
    for name in active.exported:
        if name not in active.table:
            scored = "a model is exported with its scores, those of the table"
            yield f"exported: {name!r} isn't in table; {scored}; {nearest(name, active.table)}"
    for key in ("datasets", *lists, "table", "exported", "images", "episodes"):
        names = getattr(active, key)
        if len(set(names)) < len(names):
            yield f"{key}: a name is listed twice"
