"""Write the metrics files, the figure and the page of the study."""

from pathlib import Path
from typing import Annotated

import typer

from emm.core.command import stage
from emm.core.locks import hold
from emm.core.paths import Paths
from emm.data.tables.schema import load_schema
from emm.report.facts import DatasetFacts, facts_of
from emm.report.new_rows import add_seen
from emm.report.study import write_study
from emm.report.study_settings import STUDY_FILE, load_study

NEXT_STEP = "run `make study`; if the file stays as it is, `dvc repro --force preprocess` in study/"


def main(tables: Annotated[Path, typer.Option(help="the tables")] = STUDY_FILE) -> None:
    """Report on the study: study/data/evaluation -> study/metrics and study/report.md."""
    study, root, report = load_study(tables), tables.parent, tables.parent / "report.md"
    hold(Paths("", "", Path()).lock(report), report)
    write_study(
        study,
        {table.dataset: _facts(table.dataset, root) for table in study.tables.values()},
        root=root,
        metrics=root / "metrics",
        report=report,
    )


def _facts(dataset: str, root: Path) -> DatasetFacts:
    paths = Paths(dataset, "", root)
    return add_seen(facts_of(dataset, load_schema(paths.schema)), paths.seen, NEXT_STEP)


if __name__ == "__main__":
    stage(main)()
