"""Parts of a table: what a member reads, and the rows that it learns on."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl
import pytest
import torch

from emm.core.errors import ParamsError
from emm.data.tables.rows import RowTensors
from emm.data.tables.schema import BagColumn
from emm.fusion.settings import FusionSettings
from emm.models.single_task import SingleTask
from emm.nn.bags import BagStore, attach_bags
from emm.nn.embedding import FeatureFront
from emm.nn.inputs import Inputs
from emm.training.networks import build_network, train_networks
from emm.training.part_settings import Bounds, Part, hidden_columns, part_faults
from emm.training.parts import rows_of_part, without_columns
from emm.training.store import load_model
from emm.trees.gbdt import fit
from emm.trees.train import train_trees
from tests.training.tiny import (
    BOOSTING,
    IDENTITY,
    OPTIMISER,
    SCHEMA,
    STRUCTURES,
    fusion,
    make_context,
    training,
)

AGES = replace(SCHEMA, dense=(replace(SCHEMA.dense[0], maximum=40.0), SCHEMA.dense[1]))


@pytest.fixture
def processed(tmp_path: Path) -> Path:
    """A folder with the vocabulary of the field: a, b and 3 are the ids 1, 2 and 3, c is rare."""
    values, ids = ["a", "b", "3", "c"], [1, 2, 3, 0]
    words = {"column": ["id"] * 4, "value": values, "id": ids, "rows": [9, 8, 7, 1]}
    pl.DataFrame(words).write_parquet(tmp_path / "vocabularies.parquet")
    return tmp_path


def numbers(rows: RowTensors, part: Part, processed: Path) -> list[int]:
    """The numbers of the rows that meet the conditions."""
    numbered = replace(rows, labels=torch.arange(len(rows)).float().unsqueeze(1))
    found: list[int] = rows_of_part(numbered, part, AGES, processed, "train").labels[:, 0].tolist()
    return found


@pytest.mark.parametrize(
    ("conditions", "meets"),
    [
        ({"id": ["a", 3]}, lambda x, id: id in (1, 3)),
        ({"x": Bounds(below=10.0)}, lambda x, id: 40 * x < 10),
        ({"x": Bounds(at_least=10.0)}, lambda x, id: 40 * x >= 10),
        ({"x": Bounds(10.0, 30.0), "id": ["b"]}, lambda x, id: 10 <= 40 * x < 30 and id == 2),
    ],
)
def test_rows_are_chosen_in_the_tables_own_values(
    processed: Path, conditions: dict[str, object], meets: Callable[[float, int], bool]
) -> None:
    rows = make_context().train
    rows.dense[0, 0] = 0.25  # at the bound
    part = Part(rows={k: tuple(v) if isinstance(v, list) else v for k, v in conditions.items()})  # type: ignore[misc]
    values = zip(rows.dense[:, 0].tolist(), rows.sparse[:, 0].tolist(), strict=True)
    expected = [number for number, (x, id) in enumerate(values) if meets(x, id)]
    assert 0 < len(expected) < len(rows)
    assert numbers(rows, part, processed) == expected


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Part(rows={"id": ("aa",)}), "no value 'aa'; did you mean 'a'"),
        (Part(rows={"id": ("c",)}), "train has it too rarely"),
        (Part(rows={"x": Bounds(below=-1.0)}), "no row of train meets"),
        (Part(rows={"idd": ("a",)}), "no column is called 'idd'; did you mean 'id'"),
        (Part(rows={"id": Bounds(below=1.0)}), "rows.id: the column holds values"),
        (Part(rows={"x": ("a",)}), "rows.x: the column holds numbers"),
        (Part(rows={"x": Bounds()}), "no bound"),
    ],
)
def test_what_the_table_lacks_is_refused(processed: Path, part: Part, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        rows_of_part(make_context().train, part, AGES, processed, "train")


def test_columns_are_named_or_excepted() -> None:
    assert hidden_columns(Part(columns=("x", "id")), SCHEMA) == (1,)
    assert hidden_columns(Part(columns={"except": ("x", "id")}), SCHEMA) == (0, 2)
    assert hidden_columns(Part(), SCHEMA) == ()
    assert [*part_faults(Part(columns=()), SCHEMA)] == ["columns: no column is left to read"]
    with pytest.raises(ParamsError, match="no column is called 'z'"):
        hidden_columns(Part(columns=("z",)), SCHEMA)


def test_no_condition_reads_a_multi_valued_field() -> None:
    schema = replace(SCHEMA, bags=(BagColumn("tags", 5, 0, 9),))
    assert hidden_columns(Part(columns={"except": ("tags",)}), schema) == (3,)
    (fault,) = part_faults(Part(rows={"tags": ("a",)}), schema)
    assert "several values" in fault


def test_a_network_predicts_the_same_whatever_hidden_columns_hold() -> None:
    inputs = Inputs(2, (4, 3), ((0.2, 0.5), (0.1,)), bags=(5, 6))
    items = (torch.tensor([1, 2, 3]).int(), torch.tensor([4, 1, 2]).int())
    starts = (torch.arange(4), torch.arange(4))
    torch.manual_seed(0)
    front = FeatureFront(inputs, 3, "piecewise", hidden=(0, 3, 4))
    for weight in front.parameters():
        torch.nn.init.normal_(weight)
    attach_bags(front, BagStore(items, starts))
    dense, sparse = torch.rand(3, 2), torch.tensor([[1, 1, 0], [2, 1, 1], [3, 2, 2]]).int()
    other_dense, other_sparse = dense.clone(), sparse.clone()
    other_dense[:, 0], other_sparse[:, 1] = 7.0, 0
    other_sparse[:, 2] = torch.tensor([2, 0, 1])  # of the bags, one is hidden
    expected, changed = front(dense, sparse), front(other_dense, other_sparse)
    first, second = slice(8, 11), slice(11, 14)  # the vectors of the two bags
    assert not expected[:, first].any()
    assert not torch.equal(changed[:, second], expected[:, second])
    other_sparse[:, 2] = sparse[:, 2]
    torch.testing.assert_close(front(other_dense, other_sparse), expected)
    for column, changed in ((1, dense), (0, sparse)):
        other = changed.clone()
        other[:, column] = 0
        seen = front(*((other, sparse) if changed is dense else (dense, other)))
        assert not torch.equal(seen, expected)


def test_a_network_learns_on_its_rows_and_reads_its_columns(
    tmp_path: Path, processed: Path
) -> None:
    context = replace(make_context(), processed=processed)
    part = Part(columns=("x", "id"), rows={"id": ("a", "b")})

    def train(name: str, own: Part, **changes: object) -> list[torch.Tensor]:
        build = partial(build_network, SingleTask, STRUCTURES["narrow"])
        train_networks(
            tmp_path / name,
            replace(context, **changes),  # type: ignore[arg-type]
            name="narrow",
            architecture="single_task",
            build=build,
            training=training(),
            optimiser=OPTIMISER,
            per_task=True,
            part=own,
        )
        model, about = load_model(tmp_path / name / "seed-0/t0", IDENTITY)
        assert list(about.arguments.get("hidden", [])) == ([1] if own != Part() else [])
        return [*model.parameters()]

    found = train("part", part)
    rows = context.train.rows((context.train.sparse[:, 0] % 3 != 0).nonzero().squeeze(1))
    held = context.validation
    held = held.rows((held.sparse[:, 0] % 3 != 0).nonzero().squeeze(1))
    by_hand = replace(context, train=rows, validation=held, hidden=(1,))
    assert len(rows) < len(context.train)
    expected = train("hand", Part(columns=("x", "id")), train=rows, validation=held)
    assert by_hand.hidden == (1,)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_trees_learn_on_their_rows_and_split_on_their_columns(
    tmp_path: Path, processed: Path
) -> None:
    context = replace(make_context(), processed=processed)
    part = Part(columns=("x",), rows={"id": ("a", "b")})
    how: FusionSettings = fusion("out-of-fold")
    boosting = replace(BOOSTING, columns=part.columns, rows=part.rows)
    train_trees(tmp_path / "trees", "gbdt", context, boosting, (0,), how)
    model, _ = load_model(tmp_path / "trees/seed-0", IDENTITY)
    fold, _ = load_model(tmp_path / "trees/seed-0/fold-1", IDENTITY)
    for each in (model, fold):
        for ensemble in each.ensembles:  # type: ignore[union-attr]
            inner = ensemble.left != torch.arange(len(ensemble.left))
            assert inner.any()
            assert not ensemble.column[inner].any()  # the first column
    splits = [
        without_columns(rows.rows((rows.sparse[:, 0] % 3 != 0).nonzero().squeeze(1)), (1, 2))
        for rows in (context.train, context.validation)
    ]
    expected, _ = fit(*splits, context.inputs, BOOSTING, seed=0)
    dense, sparse = context.train.dense, context.train.sparse
    torch.testing.assert_close(model(dense, sparse), expected(dense, sparse))
