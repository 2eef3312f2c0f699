"""Check processed data; stop before a model is trained on a leak, or on splits of no use."""

from emm.config.project import PARAMS_FILE, load_project
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import write_json
from emm.core.locks import hold
from emm.data.prepare.checks.check import check
from emm.data.prepare.dataset import split_rule
from emm.data.prepare.settings import CheckSettings
from emm.data.tables.schema import load_schema


def main(dataset: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Check DATASET: data/processed/DATASET -> data/checks/DATASET.json."""
    project = load_project(file, recipe)
    data, paths = project.data(dataset), project.paths(dataset)
    limits = data.read("check-data", CheckSettings)
    rule = split_rule(data, project.source(dataset))
    hold(paths.lock(paths.checks), paths.checks)
    seen = check(paths.processed, load_schema(paths.schema), limits, rule)
    write_json(paths.checks, seen)


if __name__ == "__main__":
    stage(main)()
