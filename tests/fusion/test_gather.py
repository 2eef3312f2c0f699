from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from emm.core.errors import DecompositionError, ModelFileError, ParamsError
from emm.fusion.emm import EMM
from emm.fusion.factories import load_factory, trusting
from emm.fusion.gather import build_pool, outside_models, own_models
from emm.fusion.pool import Pool, load_pool, save_pool
from emm.params import OutsideModel
from tests.fusion.conftest import INPUTS, SCHEMA, save_trained, unsettle
from tests.fusion.outside import Deep, Shallow

DEEP, SHALLOW = "tests.fusion.outside:Deep", "tests.fusion.outside:Shallow"
TASKS = ["t0", "t1"]


def rows(count: int = 5) -> tuple[Tensor, Tensor]:
    return torch.rand(count, 3), torch.randint(0, 2, (count, 3), dtype=torch.int32)


def save_outside(folder: Path, model: nn.Module) -> Path:
    unsettle(model)
    path = folder / f"{type(model).__name__}.safetensors"
    save_file(model.state_dict(), path)
    return path


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, Path]:
    torch.manual_seed(3)
    return {
        DEEP: save_outside(tmp_path, Deep(INPUTS)),
        SHALLOW: save_outside(tmp_path, Shallow(INPUTS)),
    }


@pytest.fixture
def pool(tmp_path: Path, weights: dict[str, Path]) -> Pool:
    """Two of the pipeline's own models of each task, and two from outside."""
    folders = save_trained(tmp_path / "models", 2, ("narrow", "wide"))
    with trusting([DEEP, SHALLOW]):
        outside = [
            OutsideModel("t0", DEEP, str(weights[DEEP])),
            OutsideModel("t1", SHALLOW, str(weights[SHALLOW]), "head"),
        ]
        return build_pool(
            [*own_models(folders, TASKS, SCHEMA, 0), *outside_models(outside, TASKS, INPUTS)],
            INPUTS,
            TASKS,
            SCHEMA,
            0,
        )


def test_models_of_other_depth_and_layout_are_cut_into_the_same_levels(pool: Pool) -> None:
    assert {len(member.levels) for member in pool.members} == {2}
    assert {member.widths for member in pool.members} == {(8, 8)}
    deep, shallow = pool.members[-2:]
    assert deep.tower == ("out",)
    assert shallow.tower == ("head.0", "head.1", "head.2")
    assert deep.levels[0][:3] == ("embed", "in_layer", "act")


def test_putting_the_parts_of_an_outside_model_together_gives_its_output(
    pool: Pool, weights: dict[str, Path]
) -> None:
    x = rows()
    for number, (factory, model) in enumerate(((DEEP, Deep), (SHALLOW, Shallow)), start=4):
        original = model(INPUTS)
        original.load_state_dict(load_file(weights[factory]))
        with trusting([factory]):
            cut = pool.members[number].build(INPUTS).eval()
        cut.levels.load_state_dict(pool.part(number, "levels"))
        cut.tower.load_state_dict(pool.part(number, "tower"))
        assert torch.equal(cut(*x), original.eval()(*x))


@pytest.mark.parametrize("variant", ["paper", "aligned"])
def test_they_are_fused_with_the_pipelines_own_also_after_a_stay_on_disk(
    pool: Pool, tmp_path: Path, variant: str
) -> None:
    save_pool(pool, tmp_path / "pool")
    again = load_pool(tmp_path / "pool", SCHEMA)
    knobs = {"variant": variant, "embedding_dim": 2, "tower": [4], "dropout": 0.0}
    with trusting([DEEP, SHALLOW]):
        model = EMM(INPUTS, 2, pool=again.describe(), **knobs)
    model.load_components(again)
    assert model.eval()(*rows()).shape == (5, 2)


def test_a_stored_pool_runs_no_code_that_params_yaml_does_not_name(pool: Pool) -> None:
    knobs = {"variant": "paper", "embedding_dim": 2, "tower": [4], "dropout": 0.0}
    error = pytest.raises(ModelFileError, match=r"wants to run tests\.fusion\.outside:Shallow")
    with trusting([DEEP]), error:
        EMM(INPUTS, 2, pool=pool.describe(), **knobs)


def test_weights_of_another_model_are_refused(weights: dict[str, Path]) -> None:
    error = pytest.raises(ModelFileError, match=r"doesn't fit what .*:Deep builds")
    with trusting([DEEP]), error:
        outside_models([OutsideModel("t0", DEEP, str(weights[SHALLOW]))], TASKS, INPUTS)


@pytest.mark.parametrize("name", ["tests.fusion.outside:Nothing", "no.such:thing", "text"])
def test_a_factory_that_does_not_exist_is_an_error(name: str) -> None:
    with trusting([name]), pytest.raises(ParamsError, match="there is no factory"):
        load_factory(name)


def test_a_tower_that_does_not_exist_names_the_layers(weights: dict[str, Path]) -> None:
    entry = OutsideModel("t0", DEEP, str(weights[DEEP]), "top")
    with trusting([DEEP]):
        outside = outside_models([entry], TASKS, INPUTS)
    with pytest.raises(DecompositionError, match=r"(?s)got: embed -> in_layer.*then top"):
        build_pool(outside, INPUTS, TASKS, SCHEMA, 0)


def test_a_task_that_does_not_exist_is_an_error(weights: dict[str, Path]) -> None:
    entry = OutsideModel("t9", DEEP, str(weights[DEEP]))
    with trusting([DEEP]), pytest.raises(ParamsError, match="no task is called 't9'"):
        outside_models([entry], TASKS, INPUTS)
