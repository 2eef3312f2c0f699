"""Factories of outside models: functions that are imported only if the configuration names them."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path

from torch import nn

from emm.core.errors import ModelFileError, ParamsError
from emm.nn.inputs import Inputs

Factory = Callable[[Inputs], nn.Module]

_trusted: ContextVar[frozenset[str]] = ContextVar("trusted", default=frozenset())


@contextmanager
def trusting(names: Sequence[str]) -> Iterator[None]:
    """Allow the factories of these names, and no others, to be imported within the context."""
    token = _trusted.set(frozenset(names))
    try:
        yield
    finally:
        _trusted.reset(token)


def load_factory(name: str) -> Factory:
    """Import ``package.module:function``, also from the current folder.

    Raises ModelFileError unless ``name`` is trusted, so that a downloaded file can't run code, and
    ParamsError if there is no such function.
    """
    if name not in _trusted.get():
        raise ModelFileError(
            f"a stored model wants to run {name}, which no entry of fusion.pool names",
            got=name,
            expected="a factory of an entry in fusion.pool",
            next_step="add the entry if you trust that code, or run dvc repro",
        )
    module, _, function = name.partition(":")
    root = str(Path.cwd())
    if root not in sys.path:
        sys.path.insert(0, root)
    try:
        factory: Factory = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ParamsError(
            f"there is no factory {name}: {error}",
            where="fusion.pool in conf/<dataset>/<recipe>.yaml",
            expected="package.module:function",
            next_step="correct the entry; modules next to params.yaml can be imported",
        ) from error
    return factory
