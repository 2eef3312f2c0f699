"""Compute one table of the study and keep it as a file."""

from pathlib import Path
from typing import Annotated

import typer

from emm.core.command import stage
from emm.core.errors import choose
from emm.core.locks import hold
from emm.core.paths import Paths
from emm.data.tables.schema import load_schema
from emm.report.facts import facts_of
from emm.report.new_rows import add_seen
from emm.report.study_files import results_file, stored_table, write_stored
from emm.report.study_results import read_table, write_table_metrics
from emm.report.study_settings import STUDY_FILE, load_study

NEXT_STEP = "run `make study`; if the file stays as it is, `dvc repro --force preprocess` in study/"


def main(
    table: Annotated[str, typer.Argument(help="name of the table")],
    tables: Annotated[Path, typer.Option(help="the tables")] = STUDY_FILE,
) -> None:
    """A table of the study: study/data/evaluation -> study/results and study/metrics."""
    study, root = load_study(tables), tables.parent
    choose("table", table, study.tables, tables, "name one of the tables")
    out, settings = results_file(root, table), study.tables[table]
    hold(Paths("", "", Path()).lock(out), out)
    paths = Paths(settings.dataset, "", root)
    facts = facts_of(settings.dataset, load_schema(paths.schema))
    facts = add_seen(facts, paths.seen, NEXT_STEP)
    found = read_table(settings, facts, root, pool=study.pool, against=study.against(table))
    write_table_metrics(root / "metrics" / table, found)
    write_stored(out, stored_table(found, facts, study))


if __name__ == "__main__":
    stage(main)()
