"""Write the metrics files and the page that compare searched models with others."""

from pathlib import Path
from typing import Annotated

import typer

from emm.core.command import stage
from emm.core.paths import Paths
from emm.data.tables.schema import load_schema
from emm.report.facts import DatasetFacts, facts_of
from emm.report.new_rows import add_seen
from emm.report.searched import write_searched
from emm.report.study_settings import load_study

SETTINGS, TABLES = Path("study/automtl.yaml"), Path("study/automtl_tables.yaml")


def main(
    file: Annotated[Path, typer.Option("--params", help="the settings")] = SETTINGS,
    tables: Annotated[Path, typer.Option(help="the tables")] = TABLES,
) -> None:
    """Report on searched models: study/data/evaluation -> metrics/automtl, reports/automtl.md."""
    study, root = load_study(tables), file.parent
    write_searched(
        study,
        {table.dataset: _facts(table.dataset, file) for table in study.tables.values()},
        root=root,
        settings=file,
        metrics=Path("metrics/automtl"),
        report=Path("reports/automtl.md"),
    )


def _facts(dataset: str, file: Path) -> DatasetFacts:
    paths = Paths(dataset, "", file.parent)
    step = f"run `python stages/check_data.py {dataset} --params {file}`"
    return add_seen(facts_of(dataset, load_schema(paths.schema)), paths.seen, step)


if __name__ == "__main__":
    stage(main)()
