"""Check processed data; stop the pipeline if it leaks, is invalid or drifts."""

from emm.config.project import PARAMS_FILE, load_project
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import write_json
from emm.core.locks import hold
from emm.data.prepare.checks import check
from emm.data.prepare.settings import CheckSettings
from emm.data.tables.schema import load_schema


def main(dataset: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Check DATASET: data/processed/DATASET -> data/checks/DATASET.json."""
    project = load_project(file, recipe)
    limits = project.data(dataset).read("check-data", CheckSettings)
    paths = project.paths(dataset)
    hold(paths.lock(paths.checks), paths.checks)
    seen = check(
        paths.processed,
        load_schema(paths.schema),
        max_column_auc=limits.max_column_auc,
        rate_tolerance=limits.rate_tolerance,
    )
    write_json(paths.checks, seen)


if __name__ == "__main__":
    stage(main)()
