"""Write the metrics files, the figure and the page of the study."""

from pathlib import Path

from emm.core.command import ParamsFile, stage
from emm.core.locks import hold
from emm.core.paths import Paths
from emm.data.tables.schema import load_schema
from emm.report.facts import DatasetFacts, facts_of
from emm.report.study import write_study
from emm.report.study_params import STUDY_FILE, load_study


def main(file: ParamsFile = STUDY_FILE) -> None:
    """Report on the study: study/data/evaluation -> metrics/study and reports/study.md."""
    study, root, report = load_study(file), file.parent, Path("reports/study.md")
    hold(Paths("", "", Path()).lock(report), report)
    write_study(
        study,
        {table.dataset: _facts(table.dataset, root) for table in study.tables.values()},
        root=root,
        metrics=Path("metrics/study"),
        report=report,
    )


def _facts(dataset: str, root: Path) -> DatasetFacts:
    return facts_of(dataset, load_schema(Paths(dataset, "", root).schema))


if __name__ == "__main__":
    stage(main)()
