from pathlib import Path

import pytest
import torch

from emm.core.errors import DecompositionError, ModelFileError
from emm.fusion.pool import COMPONENTS, DESCRIPTION, Pool, load_pool, save_pool
from emm.models.store import load_model
from tests.fusion.conftest import INPUTS, SCHEMA, make_pool, save_trained

DENSE, SPARSE = torch.rand(5, 3), torch.randint(0, 2, (5, 3), dtype=torch.int32)


def test_two_structures_for_each_task_make_three_levels_of_width_8(pool: Pool, tasks: int) -> None:
    assert len(pool.members) == 2 * tasks
    assert {member.widths for member in pool.members} == {(8, 8, 8)}
    assert [member.task for member in pool.members] == [*range(tasks)] * 2


def test_the_front_stays_with_the_first_component_also_if_all_models_embed_alike(
    pool: Pool,
) -> None:
    narrow = pool.members[0]
    assert narrow.arguments["embedding_dim"] == pool.members[-1].arguments["embedding_dim"]
    assert narrow.levels[0] == ("front", *(f"blocks.0.{n}" for n in range(8)))


def test_composing_a_members_parts_gives_back_its_models_output(tmp_path: Path) -> None:
    pool = make_pool(tmp_path, 2)
    for number, member in enumerate(pool.members):
        structure, task = member.name.split("/")
        model, _ = load_model(tmp_path / structure / "seed-0" / task, SCHEMA)
        cut = member.build(INPUTS).eval()
        cut.levels.load_state_dict(pool.part(number, "levels"))
        cut.tower.load_state_dict(pool.part(number, "tower"))
        assert torch.equal(cut(DENSE, SPARSE), model(DENSE, SPARSE))


def test_a_pool_comes_back_as_it_was_saved(pool: Pool, tmp_path: Path) -> None:
    save_pool(pool, tmp_path / "saved")
    again = load_pool(tmp_path / "saved", SCHEMA)
    assert [m.levels for m in again.members] == [m.levels for m in pool.members]
    assert again.tensors.keys() == pool.tensors.keys()
    assert all(torch.equal(again.tensors[key], pool.tensors[key]) for key in pool.tensors)


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    pool = make_pool(tmp_path / "models", 2)
    for name in ("a", "b"):
        save_pool(pool, tmp_path / name)
    for file in (COMPONENTS, DESCRIPTION):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("cut", [0, 10, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, cut: int) -> None:
    save_pool(make_pool(tmp_path / "models", 2), tmp_path / "pool")
    file = tmp_path / "pool" / COMPONENTS
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ModelFileError, match="were altered or cut off"):
        load_pool(tmp_path / "pool", SCHEMA)


def test_components_of_another_encoding_are_refused(tmp_path: Path) -> None:
    save_pool(make_pool(tmp_path / "models", 2), tmp_path / "pool")
    with pytest.raises(ModelFileError, match="another encoding"):
        load_pool(tmp_path / "pool", "1" * 64)


def test_an_absent_pool_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="can't be read"):
        load_pool(tmp_path, SCHEMA)


def test_models_that_share_no_layer_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.fusion import conftest

    odd = {"embedding_dim": 2, "blocks": [[5], [5]], "tower": [4], "dropout": 0.0}
    monkeypatch.setitem(conftest.STRUCTURES, "odd", odd)
    with pytest.raises(DecompositionError, match=r"narrow/t0 and odd/t0"):
        make_pool(tmp_path, 2, ("narrow", "odd"))


def test_a_trained_model_that_was_altered_is_refused(tmp_path: Path) -> None:
    save_trained(tmp_path, 2, ("narrow", "wide"))
    file = tmp_path / "narrow" / "seed-0" / "t1" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelFileError, match="altered"):
        load_model(file.parent, SCHEMA)
