import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from emm.config.binding import bind
from emm.core.errors import ModelFileError, ParamsError
from emm.fusion.members import Members
from emm.fusion.pool import COMPONENTS, DESCRIPTION, Pool, load_pool, save_pool
from tests.fusion.conftest import INPUTS, SCHEMA
from tests.fusion.fused import build, mean_logits, rows


def test_the_layout_groups_members_by_task(mixed: Pool) -> None:
    layout = mixed.members.layout(2)
    assert layout.networks == ((0, 2), (1, 3))
    assert layout.trees == ((1,), (0, 2))
    assert layout.widths == ((8, 8, 8),) * 4


def test_a_loaded_pool_equals_the_saved_one(any_pool: Pool, tmp_path: Path) -> None:
    save_pool(any_pool, tmp_path)
    again = load_pool(tmp_path, SCHEMA)
    assert again.members == any_pool.members
    assert (again.tasks, again.seed) == (any_pool.tasks, any_pool.seed)
    assert again.tensors.keys() == any_pool.tensors.keys()
    assert all(torch.equal(again.tensors[key], any_pool.tensors[key]) for key in again.tensors)


def test_saving_twice_gives_the_same_bytes(mixed: Pool, tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_pool(mixed, tmp_path / name)
    for file in (COMPONENTS, DESCRIPTION):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_description_is_plain_json(any_pool: Pool) -> None:
    errors: list[str] = []
    description = json.loads(json.dumps(any_pool.describe()))
    assert bind(Members, description, "pool", errors) == any_pool.members
    assert errors == []


def test_a_part_is_not_confused_with_one_whose_number_has_the_same_prefix(mixed: Pool) -> None:
    tensors = {f"trees.{n}.value": torch.tensor(n) for n in (1, 10, 11)}
    pool = Pool(mixed.members, tensors, mixed.tasks, SCHEMA, 0)
    assert pool.tensors_of("trees.1") == {"value": torch.tensor(1)}


@pytest.mark.parametrize(
    ("names", "networks", "trees"),
    [
        (["wide"], ["wide/t0", "wide/t1"], []),
        (["trees-1", "narrow"], ["narrow/t0", "narrow/t1"], ["trees-1/t0"]),
        (["narrow/t1", "trees-2/t1"], ["narrow/t1"], ["trees-2/t1"]),
        (["wide/t0", "wide"], ["wide/t0", "wide/t1"], []),
    ],
)
def test_members_are_selected_by_structure_or_full_name(
    mixed: Pool, names: list[str], networks: list[str], trees: list[str]
) -> None:
    kept = mixed.select(names)
    assert [member.name for member in kept.members.networks] == networks
    assert [member.name for member in kept.members.trees] == trees


def test_selected_members_keep_their_tensors(mixed: Pool) -> None:
    kept = mixed.select(["wide", "trees-1", "trees-2"])
    for new, old in (
        ("networks.0", "networks.2"),
        ("networks.1", "networks.3"),
        ("trees.0", "trees.1"),
        ("trees.1", "trees.2"),
    ):
        assert kept.tensors_of(new).keys() == mixed.tensors_of(old).keys()
        assert all(
            torch.equal(v, mixed.tensors_of(old)[k]) for k, v in kept.tensors_of(new).items()
        )
    assert len({".".join(key.split(".")[:2]) for key in kept.tensors}) == 4


def test_only_selected_members_make_the_fused_model(mixed: Pool) -> None:
    kept = mixed.select(["wide", "trees-1"])
    x = rows(5)
    torch.testing.assert_close(build(kept).eval()(*x), mean_logits(kept, *x))


def test_without_names_all_members_are_selected(mixed: Pool) -> None:
    assert mixed.select([]) is mixed


@pytest.mark.parametrize(
    ("name", "near"), [("wied", "wide"), ("wide/t3", "wide/t"), ("trees1", "trees-1")]
)
def test_the_error_for_an_unknown_member_names_the_nearest(
    mixed: Pool, name: str, near: str
) -> None:
    with pytest.raises(ParamsError, match=f"called '{name}'; did you mean '{near}"):
        mixed.select(["narrow", name])


@pytest.mark.parametrize("cut", [0, 10, -1])
def test_truncated_components_are_rejected(mixed: Pool, tmp_path: Path, cut: int) -> None:
    save_pool(mixed, tmp_path)
    file = tmp_path / COMPONENTS
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ModelFileError, match="were altered or truncated"):
        load_pool(tmp_path, SCHEMA)


@pytest.mark.parametrize("cut", [0, 10, -5])
def test_a_truncated_description_is_rejected(mixed: Pool, tmp_path: Path, cut: int) -> None:
    save_pool(mixed, tmp_path)
    file = tmp_path / DESCRIPTION
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ModelFileError, match="can't be read"):
        load_pool(tmp_path, SCHEMA)


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda about: about.pop(key)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda about: about.update(format=1), "don't have format 2"),
        (without("members"), "members: got null"),
        (lambda about: about["members"].pop("trees"), "members.trees: missing"),
        (lambda about: about["members"]["trees"][0].update(sizes=[]), r"trees\[0\].sizes: got"),
        (without("tasks"), "tasks: got null"),
        (without("seed"), "seed: got null"),
        (without("components_sha256"), "altered or truncated"),
        (without("schema_sha256"), "another encoding"),
    ],
)
def test_a_damaged_description_is_rejected(
    mixed: Pool, tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    save_pool(mixed, tmp_path)
    file = tmp_path / DESCRIPTION
    about = json.loads(file.read_text())
    change(about)
    file.write_text(json.dumps(about))
    with pytest.raises(ModelFileError, match=message):
        load_pool(tmp_path, SCHEMA)


def test_components_of_another_encoding_are_rejected(mixed: Pool, tmp_path: Path) -> None:
    save_pool(mixed, tmp_path)
    with pytest.raises(ModelFileError, match="another encoding"):
        load_pool(tmp_path, "1" * 64)


def test_a_missing_pool_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="can't be read"):
        load_pool(tmp_path, SCHEMA)


def test_a_member_is_built_with_fresh_weights(mixed: Pool) -> None:
    for number, member in enumerate(mixed.members.networks):
        shapes = {k: v.shape for k, v in member.build(INPUTS).state_dict().items()}
        assert shapes == {k: v.shape for k, v in mixed.tensors_of(f"networks.{number}").items()}
