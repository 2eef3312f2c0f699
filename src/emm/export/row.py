"""The row of the table that is exported, and where everything about it is stored."""

from dataclasses import dataclass, field
from pathlib import Path

from emm.config.project import Project
from emm.core.errors import ModelFileError
from emm.fusion.settings import FusionSettings
from emm.predict.outside import OutsidePool


@dataclass(frozen=True)
class Row:
    """A trained model of one seed.

    ``models``: folder of the seed; ``processed``: of the data; ``evaluation``: of the scores of all
    seeds; ``seen``: see `emm.report.new_rows`; ``pool``: of a fused model.
    """

    dataset: str
    recipe: str
    model: str
    seed: int
    models: Path
    processed: Path
    evaluation: Path
    seen: Path
    pool: OutsidePool = field(default_factory=lambda: OutsidePool({}, Path(), "fusion.pool"))

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.recipe}/{self.model}"


def row_of(project: Project, dataset: str, model: str, seed: int) -> Row:
    """A row of the active recipe. Raises ModelFileError if it isn't trained with this seed."""
    paths, recipe = project.paths(dataset), project.recipe(dataset)
    fusion = recipe.read("fusion", FusionSettings)
    folder = paths.model(model)
    models = folder / f"seed-{seed}"
    if not models.is_dir():
        seeds = sorted(each.name.removeprefix("seed-") for each in folder.glob("seed-*"))
        trained = sorted(each.name for each in paths.model("").glob("*") if each.is_dir())
        raise ModelFileError(
            f"there is no trained model {dataset}/{project.active.recipe}/{model} of seed {seed}",
            where=folder,
            got=f"seeds {', '.join(seeds)}" if seeds else f"models {', '.join(trained) or 'none'}",
            next_step="name one of these; or dvc repro, or dvc checkout",
        )
    return Row(
        dataset,
        project.active.recipe,
        model,
        seed,
        models,
        paths.processed,
        paths.evaluation(model),
        paths.seen,
        OutsidePool(fusion.pool, paths.scores(), f"{recipe.path}: fusion.pool"),
    )
