"""A record of a forward pass: the modules that are called, and the functions between them."""

import linecache
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name

# Methods by which Python code learns a tensor's values, most often to branch on them.
READS = frozenset(
    {
        "__array__",
        "__bool__",
        "__float__",
        "__index__",
        "__int__",
        "allclose",
        "equal",
        "is_nonzero",
        "item",
        "numpy",
        "tolist",
    }
)
SHOWN = 3  # calls of functions that a message names
_TORCH = str(Path(torch.__file__).parent)


@dataclass(frozen=True)
class FunctionCall:
    """A call of a function of torch: where the model's own code makes it.

    ``after``: number of modules called before it in the same forward.
    """

    function: Any
    file: str
    line: int
    after: int

    @property
    def reads_values(self) -> bool:
        """Whether the code goes on with plain numbers, on which it can branch."""
        return getattr(self.function, "__name__", "") in READS

    def __str__(self) -> str:
        name = (resolve_name(self.function) or repr(self.function)).removesuffix(".__get__")
        text = linecache.getline(self.file, self.line).strip()
        file = Path(self.file)
        shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
        return f"{name} at {shown}, line {self.line}" + (f": {text}" if text else "")


@dataclass
class Call:
    """One call of a module during a forward pass, and the calls that it makes itself.

    A tensor is kept with its version, which every change in place raises.
    """

    name: str
    module: nn.Module
    inputs: tuple[Any, ...]
    keywords: Mapping[str, Any] = field(default_factory=dict)
    versions: tuple[int, ...] = ()
    output: Any = None
    output_version: int = 0
    inner: list["Call"] = field(default_factory=list)
    functions: list[FunctionCall] = field(default_factory=list)

    @property
    def is_chain(self) -> bool:
        """Whether it only calls modules, one after the other, each with the output of the last."""
        return bool(self.inner) and self.obstacle() is None

    def obstacle(self) -> "Obstacle | None":
        """Why it is no chain of the modules that it calls; None if it is one."""
        for each in self.inner:
            if each.keywords:
                names = ", ".join(each.keywords)
                return Obstacle(f"gives the module {each.name} the keyword argument {names}")
            if not isinstance(each.output, Tensor):
                returned = described(each.output)
                return Obstacle(f"calls the module {each.name}, which returns {returned}")
        reads = [each for each in self.functions if each.reads_values]
        if reads:
            return Obstacle("takes values out of a tensor, as a branch does: ", tuple(reads))
        links = [(self.inputs, self.versions), *(_passed(each) for each in self.inner)]
        for number, each in enumerate(self.inner):
            if not _same(links[number], (each.inputs, each.versions)):
                return self._between(number)
        if not _same(links[-1], ((self.output,), (self.output_version,))):
            return self._between(len(self.inner))
        return None

    def layers(self) -> list["Call"]:
        """The innermost calls of the chain; a call that is not a chain is one layer."""
        if not self.is_chain:
            return [self]
        return [layer for call in self.inner for layer in call.layers()]

    def unfolded(self) -> list["Call"]:
        """The calls that are chains, whose own code is not kept, from the outermost on."""
        if not self.is_chain:
            return []
        return [self, *(each for call in self.inner for each in call.unfolded())]

    def _between(self, number: int) -> "Obstacle":
        """What happens before the inner call of this number, or after the last one."""
        found = [each for each in self.functions if each.after == number] or self.functions
        if found:
            return Obstacle("calls ", tuple(found))
        last = f"the output of {self.inner[number - 1].name}" if number else "its own inputs"
        if number == len(self.inner):
            return Obstacle(f"returns something other than {last}")
        return Obstacle(f"gives the module {self.inner[number].name} something other than {last}")


@dataclass(frozen=True)
class Obstacle:
    """What a forward does besides calling modules in turn; the words are only made if needed."""

    what: str
    functions: tuple[FunctionCall, ...] = ()

    def __str__(self) -> str:
        return self.what + listed(self.functions)


def _passed(call: Call) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    return (call.output,), (call.output_version,)


def _same(
    left: tuple[tuple[Any, ...], tuple[int, ...]], right: tuple[tuple[Any, ...], tuple[int, ...]]
) -> bool:
    """Whether both are the same objects, and none was changed in place in the meantime."""
    (ours, our_versions), (theirs, their_versions) = left, right
    same = len(ours) == len(theirs) and all(a is b for a, b in zip(ours, theirs, strict=True))
    return same and our_versions == their_versions


def listed(calls: Sequence[FunctionCall]) -> str:
    """The first calls, each once."""
    unique = list(dict.fromkeys(map(str, calls)))
    more = f"; and {len(unique) - SHOWN} more" if len(unique) > SHOWN else ""
    return "; ".join(unique[:SHOWN]) + more


def described(value: Any) -> str:
    """A value that should be one tensor, in words."""
    if isinstance(value, tuple | list):
        return f"{len(value)} values"
    return f"a value of the type {type(value).__name__}"


@contextmanager
def recording(model: nn.Module) -> Iterator[list[Call]]:
    """Record every call of ``model`` and its submodules as a tree."""
    top = Call("", nn.Module(), ())
    open_calls = [top]

    def begin(name: str, module: nn.Module, inputs: tuple[Any, ...], keywords: Any) -> None:
        call = Call(name, module, inputs, keywords, _versions(inputs))
        open_calls[-1].inner.append(call)
        open_calls.append(call)

    def end(output: Any) -> None:
        call = open_calls.pop()
        call.output, (call.output_version,) = output, _versions((output,))

    with ExitStack() as hooks:
        for name, module in model.named_modules():
            before = module.register_forward_pre_hook(
                lambda module, inputs, keywords, name=name: begin(name, module, inputs, keywords),
                with_kwargs=True,
            )
            after = module.register_forward_hook(lambda _module, _inputs, output: end(output))
            hooks.callback(before.remove)
            hooks.callback(after.remove)
        hooks.enter_context(_Functions(open_calls))
        yield top.inner


class _Functions(TorchFunctionMode):
    """Adds every call of a function of torch to the innermost of the open calls of modules."""

    def __init__(self, open_calls: Sequence[Call]) -> None:
        super().__init__()
        self.open_calls = open_calls

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        call = self.open_calls[-1]
        # Properties such as `shape` change nothing.
        if getattr(func, "__name__", "") != "__get__" or isinstance(result, Tensor):
            call.functions.append(FunctionCall(func, *_place(), len(call.inner)))
        return result


def _place() -> tuple[str, int]:
    """The file and line where the model's own code calls."""
    frame = sys._getframe(2)
    while frame.f_back and frame.f_code.co_filename.startswith(_TORCH):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def _versions(values: Sequence[Any]) -> tuple[int, ...]:
    return tuple(value._version if isinstance(value, Tensor) else 0 for value in values)
