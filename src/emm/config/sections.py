"""The sections of params.yaml that a model's own signature defines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from emm.config.binding import bind, bind_keywords, choose, raise_all

FROM_DATA = ("funnel", "fields")
"""Arguments that come from the data and not from a section: `emm.training.data_arguments`."""

Settings = TypeVar("Settings")


def split_section(
    section: Mapping[str, Any],
    model: Callable[..., Any],
    where: str,
    settings: type[Settings],
    given: Sequence[str] = (),
) -> tuple[Settings, dict[str, Any]]:
    """A model's section as settings of its training and the model's own keyword arguments.

    ``settings``: the dataclass of the training's; ``given``: arguments that the caller supplies
    itself. ParamsError lists every misfit.
    """
    errors: list[str] = []
    bound = bind_keywords(model, section, where, errors, given=given, beside=settings)
    raise_all(errors)
    dataclass: Any = settings
    own = {field.name: bound.pop(field.name) for field in fields(dataclass)}
    return settings(**own), bound


def bind_section(section: Mapping[str, Any], kind: type, where: str) -> Any:
    """A model's section as the dataclass ``kind``; ParamsError lists every misfit."""
    errors: list[str] = []
    bound = bind(kind, section, where, errors)
    raise_all(errors)
    return bound


def section_of(
    sections: Mapping[str, Mapping[str, Any]], name: str, where: str
) -> Mapping[str, Any]:
    """The section of one model or structure; ParamsError if there is none."""
    choose("section", name, sections, f"{where} in params.yaml", f"add {where}.{name}")
    return sections[name]
