"""Score the true probabilities of a generated table on its test rows."""

from pathlib import Path
from typing import Annotated

import typer

from emm.config.project import PARAMS_FILE, load_project
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import write_json
from emm.core.locks import hold
from emm.evaluation.truth import score_truth


def main(
    dataset: str,
    folder: Annotated[Path, typer.Argument(help="folder to write into")],
    file: ParamsFile = PARAMS_FILE,
    recipe: Recipe = None,
) -> None:
    """AUC by task of the true probabilities of DATASET: -> FOLDER/DATASET.json."""
    paths = load_project(file, recipe).paths(dataset)
    out = folder / f"{dataset}.json"
    hold(paths.lock(out), out)
    write_json(out, score_truth(paths.processed))


if __name__ == "__main__":
    stage(main)()
