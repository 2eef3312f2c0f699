"""Raw files to encoded splits and schema.json."""

from emm.config import PARAMS_FILE, load_params
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.core.locks import hold
from emm.data.custom.dataset import dataset_of
from emm.data.prepare.preprocess import preprocess
from emm.data.prepare.sample import Sample


def main(dataset: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Preprocess DATASET: data/raw/DATASET -> data/processed/DATASET."""
    params = load_params(file, recipe)
    section = params.dataset(dataset)
    paths = params.paths(dataset)
    hold(paths.lock(paths.processed), paths.processed)
    sample = section.preprocess.sample
    with atomic_folder(paths.processed) as out:
        preprocess(
            dataset_of(params, dataset),
            paths.raw,
            out,
            tasks=section.tasks,
            seed=section.preprocess.seed,
            rare_below=section.preprocess.rare_below,
            rejected=paths.rejected,
            max_rejected=section.preprocess.max_rejected,
            sample=Sample(**vars(sample)) if sample else None,
            bags=section.reads_bags,
            funnel=section.preprocess.funnel,
            keep=section.preprocess.keep,
        )


if __name__ == "__main__":
    stage(main)()
