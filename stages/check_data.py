"""Check processed data; stop before a model is trained on a leak, or on splits of no use."""

from emm.config.project import PARAMS_FILE, load_project
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_file, write_json
from emm.core.locks import hold
from emm.data.prepare.checks.check import check
from emm.data.prepare.checks.duplicates import seen_rows
from emm.data.prepare.checks.table import open_split
from emm.data.prepare.dataset import split_rule
from emm.data.prepare.settings import CheckSettings
from emm.data.tables.schema import SPLITS, load_schema


def main(dataset: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Check DATASET: data/processed/DATASET -> data/checks/DATASET.json, DATASET-seen.parquet."""
    project = load_project(file, recipe)
    data, paths = project.data(dataset), project.paths(dataset)
    limits = data.read("check-data", CheckSettings)
    rule = split_rule(data, project.source(dataset))
    hold(paths.lock(paths.checks), paths.checks)
    schema = load_schema(paths.schema)
    observations = check(paths.processed, schema, limits, rule)
    train, *others = (open_split(paths.processed, name, schema) for name in SPLITS)
    seen = seen_rows(train, dict(zip(SPLITS[1:], others, strict=True)), schema)
    with atomic_file(paths.seen) as file:
        seen.write_parquet(file)
    write_json(paths.checks, observations)


if __name__ == "__main__":
    stage(main)()
