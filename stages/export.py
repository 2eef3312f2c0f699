"""Write a trained model as a folder that runs without this project, and check its predictions."""

from emm.config.project import PARAMS_FILE, load_project
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.core.locks import hold
from emm.core.progress import say
from emm.export.bundle import write_bundle
from emm.export.row import row_of
from emm.export.said import sentences
from emm.fusion.settings import FusionSettings
from emm.outside.factories import trusting
from emm.training.devices import use_device
from emm.training.settings import TrainingSettings


def main(dataset: str, model: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Export MODEL of DATASET, its first seed: -> data/exported/DATASET/RECIPE/MODEL."""
    project = load_project(file, recipe)
    training = project.recipe(dataset).read("training", TrainingSettings)
    fusion = project.recipe(dataset).read("fusion", FusionSettings)
    paths = project.paths(dataset)
    out = paths.exported(model)
    hold(paths.lock(out), out)
    use_device("cpu", training.threads, portable=training.portable)
    row = row_of(project, dataset, model, training.seeds[0])
    with atomic_folder(out) as folder, trusting(fusion.factories):
        exported = write_bundle(folder, row)
    for line in sentences(row.name, exported):
        say(line)


if __name__ == "__main__":
    stage(main)()
