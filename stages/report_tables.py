"""Write the figure and the page about many tables."""

from pathlib import Path
from typing import Annotated

import typer

from emm.config.project import load_project
from emm.core.command import stage
from emm.core.locks import hold
from emm.core.paths import Paths
from emm.report.many_tables import read_truth, write_many
from emm.report.study_files import read_all_stored
from emm.report.study_settings import load_study

TABLES = Path("study/tables/tables.yaml")


def main(tables: Annotated[Path, typer.Option(help="the tables")] = TABLES) -> None:
    """Report on many tables: study/tables/results -> study/tables.md."""
    study, root = load_study(tables), tables.parent
    page = root.with_suffix(".md")
    hold(Paths("", "", Path()).lock(page), page)
    project = load_project(root / "params.yaml")
    sources = {name: project.source(table.dataset) for name, table in study.tables.items()}
    stored, truth = read_all_stored(study, root), read_truth(root / "truth", study)
    write_many(study, stored, sources, truth, page, root / "report")


if __name__ == "__main__":
    stage(main)()
