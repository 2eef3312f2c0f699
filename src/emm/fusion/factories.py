"""Functions that build models from outside, run only when params.yaml names them."""

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
    """Let the factories of these names be imported inside, and no others."""
    token = _trusted.set(frozenset(names))
    try:
        yield
    finally:
        _trusted.reset(token)


def load_factory(name: str) -> Factory:
    """Import ``package.module:function``; the project's root counts as a place of packages.

    ModelFileError unless ``name`` is trusted: a file that was downloaded can't make code run.
    ParamsError if there is no such function.
    """
    if name not in _trusted.get():
        raise ModelFileError(
            f"a stored model wants to run {name}, which params.yaml doesn't name",
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
            where="fusion.pool in params.yaml",
            expected="package.module:function",
            next_step="correct the entry; code beside params.yaml is found from there",
        ) from error
    return factory
