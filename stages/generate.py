"""Draw a table whose truth is known."""

from pathlib import Path
from typing import Annotated

import typer

from emm.core.command import stage
from emm.core.errors import choose
from emm.core.files import atomic_folder
from emm.core.locks import hold
from emm.core.paths import Paths
from emm.data.datasets.generated import GENERATED


def main(
    table: Annotated[str, typer.Argument(help="name of the table")],
    folder: Annotated[Path, typer.Argument(help="folder to write into")],
) -> None:
    """Draw TABLE: -> FOLDER/TABLE/table.csv."""
    choose("table", table, GENERATED, folder, "name one of the generated tables")
    out = folder / table
    hold(Paths("", "", Path()).lock(out), out)
    with atomic_folder(out) as temporary:
        GENERATED[table]().write_csv(temporary / "table.csv")


if __name__ == "__main__":
    stage(main)()
