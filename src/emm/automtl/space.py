"""The search space DESAN, its architectures, and architecture.json."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import Field

from emm.config.binding import Count, bind
from emm.core.errors import ModelFileError, nearest
from emm.core.files import write_json

FORMAT = 1
ARCHITECTURE, WEIGHTS = "architecture.json", "weights.safetensors"
IDENTITY = "identity"
WIDTHS = {IDENTITY: 0} | {f"mlp-{2**power}": 2**power for power in range(4, 11)}
"""The candidates of an expert's layer, and the hidden width of each: identity has none."""

Operator = Literal[
    "identity", "mlp-16", "mlp-32", "mlp-64", "mlp-128", "mlp-256", "mlp-512", "mlp-1024"
]
Place = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Expert:
    """An expert: its inputs, and the operator of each of its layers.

    On the first level it reads ``fields`` directly, and the factorisation machine over
    ``interactions`` (if these are at least two fields); on higher levels it reads ``experts`` of
    the level below. All of these are ascending numbers.
    """

    operators: tuple[Operator, ...]
    fields: tuple[Place, ...] = ()
    interactions: tuple[Place, ...] = ()
    experts: tuple[Place, ...] = ()


@dataclass(frozen=True)
class Architecture:
    """A point of the search space.

    ``width``: output width of all experts; ``levels``: the experts of each level, from the first;
    ``tasks``: for each task the experts of the last level that it reads.
    """

    width: Count
    levels: tuple[tuple[Expert, ...], ...]
    tasks: tuple[tuple[Place, ...], ...]

    def receivers(self, level: int) -> tuple[tuple[int, ...], ...]:
        """For each reader of the experts of ``level``, the numbers of those that it reads."""
        above = self.levels[level + 1 : level + 2]
        return tuple(expert.experts for expert in above[0]) if above else self.tasks


def architecture_of(value: Any, fields: int, tasks: int, where: object) -> Architecture:
    """Read an architecture over ``fields`` fields from plain JSON with numbers.

    Raises ModelFileError if it can't be built.
    """
    errors: list[str] = []
    found: Architecture = bind(Architecture, value, "", errors)
    errors = errors or list(_faults(found, fields, tasks))
    if errors:
        _refuse(where, errors)
    return found


def plain(architecture: Architecture) -> dict[str, Any]:
    """The architecture as plain JSON, as in model.json."""
    tree: dict[str, Any] = json.loads(json.dumps(asdict(architecture)))
    return tree


@dataclass(frozen=True)
class NamedExpert:
    """An `Expert` with names instead of numbers of fields."""

    operators: tuple[Operator, ...]
    fields: tuple[str, ...] = ()
    interactions: tuple[str, ...] = ()
    experts: tuple[Place, ...] = ()


@dataclass(frozen=True)
class NamedArchitecture:
    """An `Architecture` with names instead of numbers of fields and tasks."""

    width: Count
    levels: tuple[tuple[NamedExpert, ...], ...]
    tasks: Mapping[str, tuple[Place, ...]]

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields that are read, in the order in which experts first read them."""
        named = (expert for level in self.levels for expert in level)
        return tuple(dict.fromkeys(f for e in named for f in (*e.fields, *e.interactions)))


def write_architecture(
    path: Path, architecture: Architecture, fields: Sequence[str], tasks: Sequence[str]
) -> None:
    """Write architecture.json, with names of fields and tasks."""
    levels = [
        [
            {
                "fields": [fields[number] for number in expert.fields],
                "interactions": [fields[number] for number in expert.interactions],
                "experts": list(expert.experts),
                "operators": list(expert.operators),
            }
            for expert in level
        ]
        for level in architecture.levels
    ]
    for expert in (expert for level in levels for expert in level):
        for key in [key for key, chosen in expert.items() if not chosen and key != "operators"]:
            del expert[key]
    named = dict(zip(tasks, map(list, architecture.tasks), strict=True))
    tree = {"format": FORMAT, "width": architecture.width, "levels": levels, "tasks": named}
    write_json(path, tree)


def read_architecture(path: Path, fields: Sequence[str], tasks: Sequence[str]) -> Architecture:
    """Read architecture.json for data with these fields and tasks.

    Raises ModelFileError if it can't be read, is malformed, or has other fields or tasks.
    """
    named = read_named(path)
    faults = [
        f"no field is called {name!r}; {nearest(name, fields)}"
        for name in named.fields
        if name not in fields
    ]
    if sorted(named.tasks) != sorted(tasks):
        faults.append(f"tasks: got {', '.join(named.tasks)}, expected {', '.join(tasks)}")
    if faults:
        _refuse(path, faults)
    return _numbered(named, fields, tasks)


def read_named(path: Path) -> NamedArchitecture:
    """Read architecture.json with its names. Raises ModelFileError if it is malformed."""
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        _refuse(path, [f"can't be read: {error}"])
    if not isinstance(tree, dict) or tree.pop("format", None) != FORMAT:
        _refuse(path, [f"is of another format than {FORMAT}"])
    errors: list[str] = []
    named: NamedArchitecture = bind(NamedArchitecture, tree, "", errors)
    if errors:
        _refuse(path, errors)
    fields, tasks = named.fields, tuple(named.tasks)
    faults = list(_faults(_numbered(named, fields, tasks), len(fields), len(tasks)))
    if faults:
        _refuse(path, faults)
    return named


def _numbered(
    named: NamedArchitecture, fields: Sequence[str], tasks: Sequence[str]
) -> Architecture:
    place = {name: number for number, name in enumerate(fields)}

    def numbers(names: Sequence[str]) -> tuple[int, ...]:
        return tuple(sorted(place[name] for name in names))

    levels = tuple(
        tuple(
            Expert(each.operators, numbers(each.fields), numbers(each.interactions), each.experts)
            for each in level
        )
        for level in named.levels
    )
    return Architecture(named.width, levels, tuple(named.tasks[task] for task in tasks))


def _faults(architecture: Architecture, fields: int, tasks: int) -> Iterator[str]:
    """A message for everything that is out of range or empty."""
    if not architecture.levels:
        yield "levels: got none, expected at least one"
    if len(architecture.tasks) != tasks:
        yield f"tasks: got {len(architecture.tasks)}, expected {tasks}"
    below = 0
    for number, level in enumerate(architecture.levels):
        if not level:
            yield f"levels[{number}]: got no expert, expected at least one"
        for k, expert in enumerate(level):
            where = f"levels[{number}][{k}]"
            first = number == 0
            yield from _selection(f"{where}.fields", expert.fields, fields * first, first)
            yield from _selection(f"{where}.interactions", expert.interactions, fields * first)
            yield from _selection(f"{where}.experts", expert.experts, below, not first)
        below = len(level)
    for number, experts in enumerate(architecture.tasks):
        yield from _selection(f"tasks[{number}]", experts, below, needed=True)


def _selection(
    where: str, chosen: Sequence[int], count: int, needed: bool = False
) -> Iterator[str]:
    if needed and not chosen:
        yield f"{where}: got none, expected at least one"
    if list(chosen) != sorted(set(chosen)) or (chosen and chosen[-1] >= count):
        expected = f"ascending numbers below {count}" if count else "none on this level"
        yield f"{where}: got {list(chosen)}, expected {expected}"


def _refuse(where: object, faults: Sequence[str]) -> NoReturn:
    raise ModelFileError(
        f"the architecture in {where} can't be built:\n" + "\n".join(f"  - {f}" for f in faults),
        where=where,
        next_step="dvc checkout to restore it, or dvc repro to repeat the search",
    )
