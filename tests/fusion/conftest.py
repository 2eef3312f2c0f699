"""Small trained models on disk, and the pool that they make."""

from pathlib import Path

import pytest
import torch
from torch import nn

from emm.fusion.gather import build_pool, own_models
from emm.fusion.pool import Pool
from emm.models.single_task import SingleTask
from emm.models.store import Description, save_model
from emm.nn.inputs import Inputs

INPUTS = Inputs(dense=3, cardinalities=(4, 2, 5))
SCHEMA = "0" * 64
STRUCTURES = {
    "narrow": {"embedding_dim": 2, "blocks": [[8, 8]] * 3, "tower": [4], "dropout": 0.1},
    "wide": {"embedding_dim": 2, "blocks": [[16, 8]] * 3, "tower": [4], "dropout": 0.1},
}


def unsettle(model: nn.Module) -> None:
    """Batch-norm statistics that no fresh module has."""
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_(-0.3, 0.3)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)


def save_trained(folder: Path, tasks: int, structures: tuple[str, ...]) -> dict[str, Path]:
    """Models of every structure and task, under folder/STRUCTURE/seed-0/TASK."""
    for structure in structures:
        for task in range(tasks):
            arguments = STRUCTURES[structure]
            torch.manual_seed(len(structure) * 10 + task)
            model = SingleTask(INPUTS, **arguments)
            unsettle(model)
            about = Description(
                architecture="single_task",
                arguments=arguments,
                inputs=INPUTS,
                tasks=(f"t{task}",),
                name=structure,
                dataset="tiny",
                schema_sha256=SCHEMA,
                recipe="paper",
                seed=0,
            )
            save_model(folder / structure / "seed-0" / f"t{task}", model, about)
    return {structure: folder / structure for structure in structures}


def make_pool(folder: Path, tasks: int, structures: tuple[str, ...] = ("narrow", "wide")) -> Pool:
    folders = save_trained(folder, tasks, structures)
    names = [f"t{n}" for n in range(tasks)]
    return build_pool(own_models(folders, names, SCHEMA, 0), INPUTS, names, SCHEMA, 0)


@pytest.fixture(params=[2, 3, 4])
def tasks(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def pool(tmp_path: Path, tasks: int) -> Pool:
    return make_pool(tmp_path / "models", tasks)
