"""Sections that two blocks of params.yaml have in common through a YAML alias."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml


def shared_sections(path: Path, datasets: Sequence[str]) -> list[tuple[str, str]]:
    """Each section of an active dataset that is also another block's, and that block's name.

    `dvc exp run --set-param` writes every block anew, the later ones over the earlier: a value set
    in such a section is then lost, or set in both blocks.
    """
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [
        (where, block)
        for dataset in datasets
        for block in tree
        if block != dataset
        for where in _common(tree[dataset], dataset, set(_sections(tree[block])))
    ]


def _common(section: Any, where: str, others: set[int]) -> Iterator[str]:
    """The outermost sections that are among ``others``."""
    if isinstance(section, Mapping):
        if id(section) in others:
            yield where
        else:
            for key, value in section.items():
                yield from _common(value, f"{where}.{key}", others)


def _sections(section: Any) -> Iterator[int]:
    """The identities of a section and all inside."""
    if isinstance(section, Mapping):
        yield id(section)
        for value in section.values():
            yield from _sections(value)
