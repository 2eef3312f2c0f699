"""Write the figure and the page of the study."""

from pathlib import Path
from typing import Annotated

import typer

from emm.core.command import stage
from emm.core.locks import hold
from emm.core.paths import Paths
from emm.report.study import write_study
from emm.report.study_files import read_all_stored
from emm.report.study_settings import STUDY_FILE, load_study


def main(tables: Annotated[Path, typer.Option(help="the tables")] = STUDY_FILE) -> None:
    """Report on the study: study/results -> study/report.md."""
    study, root, report = load_study(tables), tables.parent, tables.parent / "report.md"
    hold(Paths("", "", Path()).lock(report), report)
    write_study(study, read_all_stored(study, root), report)


if __name__ == "__main__":
    stage(main)()
