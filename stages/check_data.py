"""Stop the pipeline when processed data leaks, strays or drifts."""

from emm.core.command import stage
from emm.core.files import write_json
from emm.core.paths import Paths
from emm.data.checks import check
from emm.data.schema import load_schema
from emm.params import load_params


def main(dataset: str) -> None:
    """Check DATASET: data/processed/DATASET -> data/checks/DATASET.json."""
    params = load_params()
    limits = params.dataset(dataset).check_data
    paths = Paths(dataset, params.recipe)
    seen = check(
        paths.processed,
        load_schema(paths.schema),
        max_column_auc=limits.max_column_auc,
        rate_tolerance=limits.rate_tolerance,
    )
    write_json(paths.checks, seen)


if __name__ == "__main__":
    stage(main)()
