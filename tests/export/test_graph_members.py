"""Fused models with members from outside as one graph."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from emm.core.errors import ModelFileError
from emm.export.columns import GraphInput
from emm.export.feed import feed
from emm.export.graph import build_model
from emm.export.graph_raw import RawColumn, RawColumns
from emm.export.members import always_given, require_exportable
from emm.export.nodes import Nodes
from emm.export.verify import Verified, verify
from emm.export.write import write_model
from emm.fusion.emm import EMM
from emm.outside.check import Opened
from emm.outside.matching import Matches
from emm.outside.onnx import CutOnnx, OnnxScorer
from emm.outside.settings import OutsideModel
from emm.predict.outside import OutsideScorer
from tests.export.computing import compute
from tests.export.small import raw_rows, settled, small_encoder
from tests.fusion.fused import build
from tests.fusion.scoring import COLUMNS, TASKS, scoring
from tests.fusion.test_score_to_fusion import processed_of, shop
from tests.outside.raw_scoring import context_of_table
from tests.predict.test_outside_members import folder, opened

__all__ = ["folder", "shop"]
pytest.importorskip("onnxruntime")

NAMES = [f"c{number}" for number in range(COLUMNS)]
MEMBER_ROWS = pl.DataFrame(
    np.random.default_rng(7).normal(size=(40, COLUMNS)), schema=dict.fromkeys(NAMES, pl.Float64)
)


def scorer_of(cut: CutOnnx, *, opaque: bool) -> OutsideScorer:
    """A network whose matrix reads the columns in NAMES."""
    inputs = {f"x[{number}]": name for number, name in enumerate(NAMES)}
    entry = OutsideModel("t0", model=str(cut.model.path))
    scorer, context = OnnxScorer(cut.model, "raw"), context_of_table(MEMBER_ROWS)
    known = dict(context.raw)
    found = Opened("member", entry, context, scorer, Matches(inputs), known)
    score = cut.model.logits if opaque else cut.scored_input
    return OutsideScorer(found, partial(_scored, score))


def _scored(score: Any, rows: pl.DataFrame) -> Any:
    return score([rows])


def outside() -> dict[str, OutsideScorer]:
    """The members of the pool in `tests.fusion.scoring`."""
    pair = scoring()
    return {
        "boost": scorer_of(pair.opaque, opaque=True),
        "risk": scorer_of(pair.network, opaque=False),
    }


def fused(variant: str = "ensemble") -> EMM:
    model = settled(build(scoring().pool, variant))
    assert isinstance(model, EMM)
    return model


def exported(folder: Path, model: EMM, members: dict[str, OutsideScorer], **rows: Any) -> Verified:
    encoder = small_encoder(TASKS)
    write_model(build_model(model, TASKS, encoder, outside=members), folder)
    given = raw_rows(encoder).hstack(MEMBER_ROWS).with_columns(**rows)
    return verify(folder / "model.onnx", model, TASKS, encoder, given, outside=members)


@pytest.mark.parametrize("variant", ["ensemble", pytest.param("aligned", marks=pytest.mark.slow)])
def test_an_opaque_and_a_cut_network_are_composed_in(tmp_path: Path, variant: str) -> None:
    assert exported(tmp_path, fused(variant), outside()).trees


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_pipelines_of_scikit_learn_are_composed_in(
    shop: Path, folder: Path, tmp_path: Path
) -> None:
    stored = opened(shop, folder / "ensemble")
    (model,), encoder = stored.networks, stored.encoder
    tasks = encoder.schema.tasks
    rows = pl.read_parquet(processed_of(shop) / "raw/test.parquet")
    write_model(build_model(model, tasks, encoder, outside=stored.scorers), tmp_path)
    path = tmp_path / "model.onnx"
    found = verify(path, model, tasks, encoder, rows, outside=stored.scorers)
    assert found.rows == len(rows)


def test_a_member_without_its_entry_is_refused() -> None:
    members = outside()
    del members["risk"]
    with pytest.raises(ModelFileError, match="its member risk isn't at hand"):
        require_exportable(fused(), members)


def test_a_member_that_reads_an_expression_is_refused() -> None:
    members = outside()
    changed = replace(members["risk"].opened, matches=Matches({"x[0]": "ln(c0 + 1)"}))
    members["risk"] = replace(members["risk"], opened=changed)
    with pytest.raises(ModelFileError, match="reads an SQL expression as its input 'x\\[0\\]'"):
        require_exportable(fused(), members)


def test_a_member_of_another_kind_is_refused() -> None:
    class CatBoost:
        kind = "catboost"

    members = outside()
    model: Any = CatBoost()
    members["boost"] = replace(
        members["boost"], opened=replace(members["boost"].opened, model=model)
    )
    with pytest.raises(ModelFileError, match="its member boost is a file of catboost"):
        require_exportable(fused(), members)


def test_numbers_may_be_missing_for_a_member_that_reads_numbers() -> None:
    assert always_given(outside()) == []


INPUTS = [
    GraphInput("t", "t", "member", "text", "<none>"),
    GraphInput("n", "n", "member", "double"),
]
ROWS = pl.DataFrame({"t": ["a", "?", None, "4.5", ""], "n": [3.0, None, -9.0, 2.0, 0.0]})


def read(column: str, form: str, kind: Any = "text") -> list[Any]:
    """A column of ROWS in the form in which a member reads it; ? and -9 stand for missing ones."""
    nodes = Nodes()
    columns = [RawColumn(each.name, each) for each in INPUTS]
    raw = RawColumns(nodes, columns, ["?", "-9"], [-9.0])
    found = raw.text(column, kind, "m") if form == "text" else raw.number(column)
    rows = (
        ROWS.filter(pl.col("t").fill_null("") != "a") if (column, form) == ("t", "number") else ROWS
    )
    values = compute(nodes, feed(rows, INPUTS), found)
    return [None if value != value else value for value in values.flatten().tolist()]


def test_missing_text_is_empty_for_a_member() -> None:
    assert read("t", "text") == ["a", "", "", "4.5", ""]


def test_text_is_read_as_numbers() -> None:
    assert read("t", "number") == [None, None, 4.5, None]


def test_numbers_that_stand_for_missing_ones_are_missing_for_a_member() -> None:
    assert read("n", "number") == [3.0, None, None, 2.0, 0.0]


def test_whole_numbers_are_read_as_text() -> None:
    assert read("n", "text", "integer") == ["3", "", "", "2", "0"]


def test_fractions_are_not_read_as_text() -> None:
    with pytest.raises(ModelFileError, match="reads the numbers of 'n' as text"):
        read("n", "text", "number")
