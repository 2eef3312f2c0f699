"""The entry of fusion.pool that `emm pool add` makes of its options."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from emm.config.binding import bind, raise_all
from emm.config.project import Project
from emm.core.errors import ParamsError, choose
from emm.data.prepare.settings import read_tasks
from emm.fusion.settings import FusionSettings
from emm.outside.settings import NO_REFERENCE, OutsideModel, OutsideModels

POOL = "pool"
"""The folder of outside models, which stages depend on."""

WEIGHTS = ".safetensors"
_KEYS = tuple(each.name for each in fields(OutsideModel))
_REFERENCES = (".reference.parquet", ".reference.csv")


@dataclass(frozen=True)
class Request:
    """The options of `emm pool add`.

    ``reference`` and ``name`` are empty if they follow from the file. ``columns``: "encoded",
    "raw", or "input=expression" for each input; ``options``: other keys of the entry as they are.
    """

    file: Path
    dataset: str
    task: str
    reference: str = ""
    name: str = ""
    columns: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


def entry_of(project: Project, request: Request) -> tuple[str, dict[str, Any]]:
    """The name of an entry and its keys. Raises ParamsError for options that can't be used."""
    file = _inside_pool(project, request.file)
    name = request.name or re.sub(r"[^\w-]+", "-", request.file.stem).strip("-")
    _require_new(project, request.dataset, name)
    tasks = read_tasks(project.data(request.dataset))
    choose("task", request.task, tasks, project.data(request.dataset).path, "correct --task")
    is_network = request.file.suffix == WEIGHTS
    if is_network != ("factory" in request.options):
        raise ParamsError(
            f"{file} holds the weights of a network without its structure"
            if is_network
            else f"{file} needs no factory",
            where=file,
            expected=f"--factory package.module:function with a {WEIGHTS} file, and only there",
            next_step="name the function that builds the network, or export it to ONNX: "
            "pool/README.md"
            if is_network
            else "leave --factory out",
        )
    entry = {
        "task": request.task,
        "weights" if is_network else "model": file,
        **request.options,
        "columns": _columns(request.columns),
        "reference": _reference(project, request),
    }
    return name, in_order(entry)


def in_order(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that have a value, as people read them: what it is, what it reads, its checks."""
    return {key: entry[key] for key in _KEYS if entry.get(key) is not None}


def bound(name: str, entry: Mapping[str, Any]) -> OutsideModel:
    """The entry as settings. Raises ParamsError with every fault."""
    errors: list[str] = []
    models: Mapping[str, OutsideModel] | None = bind(
        OutsideModels, {name: dict(entry)}, "fusion.pool", errors
    )
    raise_all(errors, "the options of emm pool add")
    assert models is not None
    return models[name]


def _inside_pool(project: Project, file: Path) -> str:
    """The file relative to the project. Raises ParamsError if it isn't there or not in pool/."""
    if not file.is_file():
        raise ParamsError(
            f"there is no file {file}",
            where=Path.cwd(),
            next_step="export the model into pool/: pool/README.md",
        )
    root = project.root.resolve()
    if not file.resolve().is_relative_to(root / POOL):
        raise ParamsError(
            f"{file} isn't in the folder {POOL}/, whose files the stages depend on",
            where=file,
            next_step=f"cp {file} {project.root / POOL}/, its reference too, and add that copy",
        )
    return file.resolve().relative_to(root).as_posix()


def _require_new(project: Project, dataset: str, name: str) -> None:
    recipe = project.recipe(dataset)
    models = recipe.read("fusion", FusionSettings).pool
    taken = {
        **dict.fromkeys(models, f"fusion.pool in {recipe.path}"),
        **dict.fromkeys(project.active.trained, f"trained in {project.file}"),
        **dict.fromkeys(project.active.trees, f"trees in {project.file}"),
    }
    if name in taken:
        raise ParamsError(
            f"the name {name!r} is taken",
            where=taken[name],
            next_step="choose another one: --name; a file that replaces the one of an entry "
            "needs no command, `dvc repro` notices it"
            if name in models
            else "choose another one: --name",
        )


def _columns(given: Sequence[str]) -> str | dict[str, str] | None:
    if not given:
        return None
    if len(given) == 1 and given[0] in ("encoded", "raw"):
        return given[0]
    columns = {}
    for each in given:
        name, equals, expression = each.partition("=")
        if not (equals and name.strip() and expression.strip()):
            raise ParamsError(
                f"--columns {each!r} says nothing about an input",
                expected="encoded, raw, or INPUT=COLUMN or INPUT='SQL expression'",
                next_step="write --columns once for each input whose column has another name",
            )
        columns[name.strip()] = expression.strip()
    return columns


def _reference(project: Project, request: Request) -> str:
    """The file of the original's predictions: the given one, or the one next to the model."""
    if request.reference == NO_REFERENCE:
        return NO_REFERENCE
    if request.reference:
        return _inside_pool(project, Path(request.reference))
    usual = [request.file.with_name(request.file.stem + ending) for ending in _REFERENCES]
    found = [path for path in usual if path.is_file()]
    if len(found) != 1:
        raise ParamsError(
            f"{request.file} has "
            + ("two files of predictions" if found else "no file of its own predictions"),
            where=request.file.parent,
            got=", ".join(path.name for path in found) or None,
            expected=f"one of {', '.join(path.name for path in usual)}: raw rows, and what the "
            "original predicts for them",
            next_step="write it as pool/README.md says, or name it: --reference FILE; "
            "--reference none goes without, and the report says that the model is unchecked",
        )
    return _inside_pool(project, found[0])
