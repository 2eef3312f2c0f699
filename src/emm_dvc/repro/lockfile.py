"""The order of the entries in dvc.lock.

DVC appends the entry of a new stage when the stage is done. With several stages at the same time,
this would be the order of completion, where a serial run has the order of its plan.
"""

import re
from collections.abc import Iterable

import yaml

_SECTION = re.compile(r"^stages:$", re.MULTILINE)
_ENTRY = re.compile(r"^  (?=[^ :])", re.MULTILINE)


def entries(text: str) -> list[str]:
    """Names of the stages in the text of a dvc.lock, in order."""
    return [name for name, _ in _parts(text)[1]]


def serial_order(before: list[str], planned: list[str], found: list[str]) -> list[str]:
    """``found`` in the order of a serial run: old entries stay, new ones follow as planned."""
    return [name for name in dict.fromkeys([*before, *planned, *found]) if name in set(found)]


def arranged(text: str, order: Iterable[str]) -> str:
    """``text`` with its stages in ``order``; stages that it doesn't name come last."""
    head, blocks, tail = _parts(text)
    rank = {name: number for number, name in enumerate(order)}
    blocks.sort(key=lambda block: rank.get(block[0], len(rank)))
    return head + "".join(block for _, block in blocks) + tail


def _parts(text: str) -> tuple[str, list[tuple[str, str]], str]:
    """The text before the stages, each stage's name and lines, and the text after them."""
    section = _SECTION.search(text)
    if section is None:
        return text, [], ""
    start = section.end() + 1
    following = re.search(r"^\S", text[start:], re.MULTILINE)
    end = start + following.start() if following else len(text)
    body = text[start:end]
    starts = [match.start() for match in _ENTRY.finditer(body)]
    blocks = [body[a:b] for a, b in zip(starts, [*starts[1:], len(body)], strict=True)]
    return text[:start], [(_name(block), block) for block in blocks], text[end:]


def _name(block: str) -> str:
    """A key as YAML reads it: it may be quoted, and a long one begins with a question mark."""
    line = block.partition("\n")[0].strip()
    key = line[2:] if line.startswith("? ") else line.removesuffix(":")
    return str(yaml.safe_load(f"[{key}]")[0]) if key[0] in "'\"" else key
