"""Contradictions of the pool and of the models that are fused from it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emm.commands.contradictions.known import Known
from emm.commands.contradictions.outside import may_be_network, outside_contradictions
from emm.config.project import ConfigFile
from emm.core.errors import ParamsError, nearest
from emm.fusion.rules import fused_faults
from emm.fusion.settings import FusedSettings, reads_components
from emm.models import MODELS
from emm.training.auto import Facts, fused_defaults, network_defaults
from emm.training.structures import SINGLE_TASK, network_of, read_structure


@dataclass(frozen=True)
class Member:
    """A model of the pool; ``group``: what `members` may name for it and its neighbours;
    ``network``: whether it is a network that is cut into components."""

    name: str
    group: str
    task: str
    network: bool


def pool_contradictions(known: Known) -> Iterator[ParamsError]:
    """What the pool lacks, and what the fused models want of it."""
    entries = list(_entries(known))
    yield from entries
    yield from _widths(known)
    fused, file = known.active.fused, known.project.file
    for name in fused:
        key, settings, arguments = fused_section(known, name)
        yield from fused_faults(key, known.fusion, settings, arguments, known.recipe.path)
    if not fused:
        return
    if len(known.tasks) < 2:
        yield ParamsError(
            "EMM fuses the models of two tasks or more",
            where=f"{file}: fused",
            got=f"{', '.join(fused)}, and {known.dataset} has the task {known.tasks[0]} only",
            next_step=f"write `fused: []` and take {', '.join(fused)} out of `table`, or add a "
            f"task in {known.data.path}",
        )
    elif not entries:
        members = _members(known)
        lacking = [*_lacking(known, members, f"{file}: trained", "name a model in `trained`")]
        yield from lacking
        for name in fused:
            yield from _selection(known, members, name, complete=not lacking)


def _entries(known: Known) -> Iterator[ParamsError]:
    """Networks, trees and outside models that the section `fusion` names."""
    fusion, path = known.fusion, known.recipe.path
    for name in fusion.networks:
        if name not in known.active.trained:
            yield ParamsError(
                f"no trained model is called {name!r}; {nearest(name, known.active.trained)}",
                where=f"{path}: fusion.networks",
                got=name,
                expected=f"among {', '.join(known.active.trained) or 'none'}, or [] for all",
                next_step=f"write `networks: []`, or add {name} to `trained` in "
                f"{known.project.file}",
            )
    for name in fusion.trees:
        if name not in known.active.trees:
            yield ParamsError(
                f"no boosted trees are called {name!r}; {nearest(name, known.active.trees)}",
                where=f"{path}: fusion.trees",
                got=name,
                expected=f"among {', '.join(known.active.trees) or 'none'}, or []",
                next_step=f"correct the name, or add {name} to `trees` in {known.project.file}; "
                "outside trees go into fusion.pool",
            )
    yield from outside_contradictions(known)


def _members(known: Known) -> list[Member]:
    """The members of the pool by the names that they will have."""
    fusion = known.fusion
    networks = fusion.networks or known.active.trained
    own = [(name, _is_cut(known, name)) for name in networks]
    own += [(name, False) for name in fusion.trees]
    return [
        *(Member(f"{n}/{task}", n, task, network) for n, network in own for task in known.tasks),
        *(Member(n, n, each.task, may_be_network(each.model)) for n, each in fusion.pool.items()),
    ]


def _lacking(
    known: Known, members: Sequence[Member], where: str, next_step: str
) -> Iterator[ParamsError]:
    """A pool needs a member for each task."""
    without = [task for task in known.tasks if task not in {each.task for each in members}]
    if without:
        yield ParamsError(
            "the pool lacks members",
            where=where,
            got=f"no member for {', '.join(without)}",
            expected="a model for each task",
            next_step=next_step,
        )


def _selection(
    known: Known, members: Sequence[Member], name: str, *, complete: bool
) -> Iterator[ParamsError]:
    """The members that a fused model names; ``complete``: whether the pool has all it needs."""
    path = known.recipe.path
    key, settings, arguments = fused_section(known, name)
    names = dict.fromkeys([*(m.group for m in members), *(m.name for m in members)])
    unknown = [member for member in settings.members if member not in names]
    for member in unknown:
        yield ParamsError(
            f"the pool has no member {member!r}; {nearest(member, names)}",
            where=f"{path}: {key}.members",
            got=member,
            expected=f"among {', '.join(names)}, or [] for all",
            next_step="correct the name, or train it: `trained`, fusion.networks, fusion.trees",
        )
    chosen = list(members)
    if settings.members and not unknown:
        chosen = [m for m in members if {m.name, m.group} & {*settings.members}]
        yield from _lacking(known, chosen, f"{path}: {key}.members", "name more members")
    if complete and not unknown:
        yield from _components(f"{path}: {key}", chosen, arguments)


def _components(
    where: str, members: Sequence[Member], arguments: Mapping[str, Any]
) -> Iterator[ParamsError]:
    """A fused model that reads components needs a network that is cut into some."""
    given = {name: arguments[name] for name in ("variant", "merge", "own_paths")}
    if reads_components(**given) and not any(each.network for each in members):
        yield ParamsError(
            "the fused model reads components, and no network of its pool is cut into some",
            where=where,
            got=f"variant: {given['variant']}, and only models of which the logits are used: "
            f"{', '.join(dict.fromkeys(each.group for each in members))}",
            expected="a network of `network: single_task` among its members",
            next_step="name one in `trained`; or write `variant: stacked` or `variant: ensemble`, "
            "or `merge: false` in one of `variant: aligned`",
        )


def fused_section(known: Known, name: str) -> tuple[str, FusedSettings, dict[str, Any]]:
    """The key of a fused model's section, its settings, and its arguments of `EMM`."""
    key = f"train.{name}"
    defaults: Mapping[str, Mapping[str, Any]] = {}
    if known.training.defaults == "auto":
        section = known.recipe.section(key)
        variant = section.get("variant") if isinstance(section, Mapping) else None
        # What contradicts itself is the same for every table.
        defaults = {key: fused_defaults(Facts(1, 1, 1), str(variant))}
    recipe = ConfigFile(known.recipe.path, defaults)
    return key, *recipe.read_model(key, MODELS["emm"], FusedSettings, ("pool", "outputs"))


def _widths(known: Known) -> Iterator[ParamsError]:
    """Networks can be cut in the same way if their last hidden layers have one width."""
    if known.fusion.adapter or not known.active.fused:
        return
    networks = [
        name
        for name in known.fusion.networks or known.active.trained
        if name in known.active.trained and _is_cut(known, name)
    ]
    widths = {name: _last_width(known, name) for name in networks}
    if None in widths.values():
        for name in (name for name, width in widths.items() if width is None):
            yield ParamsError(
                f"{name} has no hidden layer to be cut at",
                where=f"{known.recipe.path}: pretrain.{name}.blocks",
                expected="at least one block, such as [[64, 32]]",
                next_step="give it blocks",
            )
    elif len(set(widths.values())) > 1:
        yield ParamsError(
            "the trained networks can't be cut in the same way",
            where=f"{known.recipe.path}: pretrain",
            got=", ".join(f"{name} ends with width {width}" for name, width in widths.items()),
            expected="the same last width of `blocks` in every network",
            next_step="give their last blocks the same width, or write `adapter: linear` in fusion",
        )


def _is_cut(known: Known, name: str) -> bool:
    """Whether a structure of ``trained`` is cut into components."""
    return network_of(known.recipe.section(f"pretrain.{name}")) == SINGLE_TASK


def _last_width(known: Known, name: str) -> int | None:
    """The width before the tower of a single-task network."""
    key = f"pretrain.{name}"
    defaults: Mapping[str, Mapping[str, object]] = {}
    if known.training.defaults == "auto":  # the last width is the same for every table
        defaults = {key: network_defaults(Facts(1, 1, 1), SINGLE_TASK)}
    _, arguments = read_structure(ConfigFile(known.recipe.path, defaults), name)
    blocks = [block for block in arguments["blocks"] if block]
    return int(blocks[-1][-1]) if blocks else None
