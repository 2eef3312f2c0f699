"""Raw files to encoded splits and schema.json."""

from emm.core.binding import choose
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.data.dataset import DATASETS, load_dataset
from emm.data.preprocess import preprocess
from emm.params import PARAMS_FILE, load_params


def main(dataset: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Preprocess DATASET: data/raw/DATASET -> data/processed/DATASET."""
    params = load_params(file, recipe)
    section = params.dataset(dataset)
    source = params.source(dataset)
    choose("dataset", source, DATASETS, file, "choose one of the known datasets")
    spec = load_dataset(source)
    for task in section.tasks:
        choose("task", task, spec.tasks, f"{dataset}.tasks in params.yaml", "correct the name")
    paths = params.paths(dataset)
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
