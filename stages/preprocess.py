"""Raw files to encoded splits and schema.json."""

from emm.core.binding import choose
from emm.core.command import stage
from emm.core.files import atomic_folder
from emm.core.paths import Paths
from emm.data.dataset import DATASETS, load_dataset
from emm.data.preprocess import preprocess
from emm.params import PARAMS_FILE, load_params


def main(dataset: str) -> None:
    """Preprocess DATASET: data/raw/DATASET -> data/processed/DATASET."""
    params = load_params()
    section = params.dataset(dataset)
    choose("dataset", dataset, DATASETS, PARAMS_FILE, "choose one of the known datasets")
    spec = load_dataset(dataset)
    for task in section.tasks:
        choose("task", task, spec.tasks, f"{dataset}.tasks in params.yaml", "correct the name")
    paths = Paths(dataset, params.recipe)
    with atomic_folder(paths.processed) as out:
        preprocess(
            spec,
            paths.raw,
            out,
            tasks=section.tasks,
            seed=section.preprocess.seed,
            rare_below=section.preprocess.rare_below,
        )


if __name__ == "__main__":
    stage(main)()
