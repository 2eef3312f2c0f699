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
from emm.export.member_inputs import MemberInputs
from emm.export.members import always_given, require_exportable
from emm.export.nodes import Nodes
from emm.export.sql.values import either
from emm.export.verify import Verified, verify
from emm.export.write import write_model
from emm.fusion.emm import EMM
from emm.outside.check import Opened
from emm.outside.matching import Matches
from emm.outside.onnx import CutOnnx, OnnxScorer
from emm.outside.open import open_model
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
READ = {f"x[{number}]": name for number, name in enumerate(NAMES)}
MEMBER_ROWS = pl.DataFrame(
    np.random.default_rng(7).normal(size=(40, COLUMNS)), schema=dict.fromkeys(NAMES, pl.Float64)
).with_columns(job=pl.Series(["a", "b", None, "c"] * 10))


def scorer_of(cut: CutOnnx, *, opaque: bool) -> OutsideScorer:
    """A network whose matrix reads the columns in NAMES."""
    entry = OutsideModel("t0", model=str(cut.model.path))
    scorer, context = OnnxScorer(cut.model, "raw"), context_of_table(MEMBER_ROWS)
    known = dict(context.raw)
    found = Opened("member", entry, context, scorer, Matches(READ), known)
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


def test_a_member_that_reads_expressions_is_composed_in(tmp_path: Path) -> None:
    members = outside()
    inputs = {name: f"CASE WHEN {c} > 0 THEN {c} ELSE {c} / 2 END" for name, c in READ.items()}
    changed = replace(members["boost"].opened, matches=Matches(inputs))
    members["boost"] = replace(members["boost"], opened=changed)
    assert exported(tmp_path, fused(), members).trees


def test_an_expression_that_onnx_lacks_is_refused() -> None:
    members = outside()
    changed = replace(members["risk"].opened, matches=Matches(READ | {"x[0]": "SIN(c0)"}))
    members["risk"] = replace(members["risk"], opened=changed)
    with pytest.raises(
        ModelFileError, match="'SIN\\(c0\\)' can't be exported: it has the function"
    ):
        build_model(fused(), TASKS, small_encoder(TASKS), outside=members)


def catboost_member(folder: Path) -> OutsideScorer:
    """Trees of CatBoost on numbers, an expression, and categories of which some are missing."""
    catboost = pytest.importorskip("catboost")
    pandas = pytest.importorskip("pandas")
    job = MEMBER_ROWS["job"].fill_null("none").str.to_uppercase()
    twice = MEMBER_ROWS["c0"] * 2 + MEMBER_ROWS["c1"]
    columns = {"job": job, "twice": twice, "c2": MEMBER_ROWS["c2"]}
    frame = pandas.DataFrame({name: each.to_numpy() for name, each in columns.items()})
    label = ((twice > 0) ^ (job == "A")).to_numpy()
    settings = {"iterations": 20, "depth": 3, "verbose": 0, "allow_writing_files": False}
    pool = catboost.Pool(frame, label, cat_features=["job"])
    model = catboost.CatBoostClassifier(**settings, thread_count=1).fit(pool)
    model.save_model(folder / "m.json", format="json", pool=pool)
    texts = {"job": "UPPER(COALESCE(job, 'none'))", "twice": "c0 * 2 + c1"}
    entry = OutsideModel("t0", model=str(folder / "m.json"), columns=texts)
    context = context_of_table(MEMBER_ROWS)
    scorer: Any = open_model("boost", entry, context)
    found = Opened(
        "boost", entry, context, scorer, Matches({**texts, "c2": "c2"}), dict(context.raw)
    )
    return OutsideScorer(found, partial(_scored, scorer.predict))


def test_catboost_with_expressions_is_composed_in(tmp_path: Path) -> None:
    members = outside() | {"boost": catboost_member(tmp_path)}
    assert exported(tmp_path, fused(), members).trees


def test_a_member_of_another_kind_is_refused() -> None:
    class Network:
        kind = "network"

    members = outside()
    model: Any = Network()
    members["boost"] = replace(
        members["boost"], opened=replace(members["boost"].opened, model=model)
    )
    with pytest.raises(ModelFileError, match="its member boost is a file of network"):
        require_exportable(fused(), members)


def test_numbers_may_be_missing_for_a_member_that_reads_numbers() -> None:
    assert always_given(outside()) == []


INPUTS = [
    GraphInput("t", "t", "member", "text", "<none>"),
    GraphInput("n", "n", "member", "double"),
    GraphInput("i", "i", "member", "double"),
    GraphInput("w", "w", "member", "text", ""),
]
ROWS = pl.DataFrame({"t": ["a", "?", None, "4.5", ""], "n": [3.0, None, -9.0, 2.0, 0.0]})
WIDE = [2**53 + 1, None, -5, 2**62, 0]
ROWS = ROWS.with_columns(i="n", w=pl.Series(WIDE))


def read(name: str, expression: str, form: str, rows: pl.DataFrame = ROWS) -> list[Any]:
    """A column of ROWS in the form in which a member reads it; ? and -9 stand for missing ones."""
    nodes = Nodes()
    columns = [RawColumn(each.name, each) for each in INPUTS]
    raw = RawColumns(nodes, columns, ["?", "-9"], [-9.0])
    kinds: dict[str, Any] = {"t": "text", "n": "number", "i": "integer", "w": "integer"}
    member = MemberInputs(raw, {name: expression}, kinds, "fusion.pool.m")
    found = getattr(member, form)(name)
    unusable = either(nodes, *member.unusable)
    if unusable is not None:
        word = nodes.constant(np.array("unusable", object))
        found = nodes.cast(found, "STRING") if form == "number" else found
        found = nodes.add("Where", [unusable, word, found])
    values = compute(nodes, feed(rows, INPUTS), found)
    return [None if value != value else value for value in values.flatten().tolist()]


def test_missing_text_is_empty_for_a_member() -> None:
    assert read("t", "t", "text") == ["a", "", "", "4.5", ""]


def test_rows_whose_text_is_no_number_are_unusable() -> None:
    assert read("t", "t", "number") == ["unusable", "NaN", "NaN", "4.5", "unusable"]


def test_numbers_that_stand_for_missing_ones_are_missing_for_a_member() -> None:
    assert read("n", "n", "number") == [3.0, None, None, 2.0, 0.0]


def test_whole_numbers_are_read_as_text() -> None:
    assert read("i", "i", "text") == ["3", "", "", "2", "0"]


def test_whole_numbers_beyond_doubles_keep_their_digits() -> None:
    assert read("w", "w", "text") == [str(2**53 + 1), "", "-5", str(2**62), "0"]


def test_text_that_must_be_given_is_unusable_without() -> None:
    assert read("t", "t", "given_text") == ["a", "unusable", "unusable", "4.5", ""]


def test_fractions_are_not_read_as_text() -> None:
    with pytest.raises(ModelFileError, match="the input 'n' can't be exported: it has fractions"):
        read("n", "n", "text")
