"""A copy of the project's configuration, to be changed and checked."""

from pathlib import Path

import pytest

from emm.commands.check import check_project
from emm.config.project import load_project
from emm.core.errors import ParamsError
from tests.configuration import CENSUS, Change, Tree, copy_conf, edit

DATA, PAPER = f"{CENSUS}/data", f"{CENSUS}/paper"


class Copy:
    """A copy of the project's configuration, to be changed and checked."""

    def __init__(self, folder: Path) -> None:
        self.params = copy_conf(folder)

    def edit(self, file: str, change: Change) -> None:
        edit(self.params.parent / f"conf/{file}.yaml", change)

    def activate(self, **lists: object) -> None:
        edit(self.params, lambda tree: tree.update(lists))

    def check(self) -> None:
        check_project(load_project(self.params))

    def faults(self) -> str:
        """The message of the check, which must fail."""
        with pytest.raises(ParamsError) as error:
            self.check()
        return str(error.value)


def put(section: str, **keys: object) -> Change:
    """Set keys of a section, such as train.mmoe."""

    def change(tree: Tree) -> None:
        for part in section.split("."):
            tree = tree[part]
        tree.update(keys)

    return change
