"""CatBoost models in ONNX against the package's own predictions, on rows that are hard for them."""

from pathlib import Path
from typing import Any

import catboost
import numpy as np
import pandas
import polars as pl
import pytest

from emm.core.errors import ModelFileError
from emm.export.graph_catboost import add_catboost
from emm.export.graph_raw import RawColumns
from emm.export.member_inputs import MemberInputs
from emm.export.nodes import Nodes
from emm.nn.inputs import Inputs
from emm.outside.catboost import CatBoostScorer
from tests.export.computing import compute
from tests.export.members_in_graph import in_graph
from tests.outside.raw_scoring import context_of_table, opened
from tests.outside.test_matrix_catboost import CATBOOST, catboost_frame
from tests.outside.tree_cases import ALL, CLASSES, LABEL, SCORE, TRAIN
from tests.outside.tree_tables import CATEGORIES, NUMBERS, hard_table

pytest.importorskip("onnxruntime")

KINDS = ["Buckets", "Counter:Prior=1", "BinarizedTargetMeanValue"]
JOB = "COALESCE(job, 'nan')"
TEXTS = {
    "job": TRAIN["job"].fill_null("nan").unique(),
    "city": TRAIN["city"].cast(pl.String).unique(),
}


def trained(
    columns: tuple[str, ...], label: Any = LABEL, rows: pl.DataFrame = TRAIN, **settings: Any
) -> tuple[Any, Any]:
    """A model, and the pool of its training."""
    names = [name for name in columns if name in CATEGORIES]
    pool = catboost.Pool(catboost_frame(rows, columns), label, cat_features=names)
    kind = catboost.CatBoostRegressor if label is SCORE else catboost.CatBoostClassifier
    return kind(**CATBOOST | settings).fit(pool), pool


def found_in_graph(
    path: Path, rows: pl.DataFrame, texts: dict[str, pl.Series] | None = None, **context: Any
) -> np.ndarray:
    """What onnxruntime makes of rows."""
    scorer = opened(path, context_of_table(TRAIN, **context), columns="raw")
    assert isinstance(scorer, CatBoostScorer)
    names = {each.name: JOB if each.name == "job" else each.name for each in scorer.inputs}
    known = TEXTS if texts is None else texts
    given = {each: known[each] for each in names if each in known}
    return in_graph(
        TRAIN, names, lambda nodes, member: add_catboost(nodes, scorer, member, given)[0], rows
    )


def check(path: Path, columns: tuple[str, ...], model: Any, **context: Any) -> None:
    borders = next(iter(model.get_borders().values()))[:50]
    # Those that only part missing values off have no larger neighbour in single precision.
    rows = hard_table([0.5, 300.0, *(each for each in borders if abs(each) < 1e30)])
    expected = model.predict(catboost_frame(rows, columns), prediction_type="RawFormulaVal")
    found = found_in_graph(path, rows, **context)
    np.testing.assert_array_equal(found, np.reshape(expected, found.shape))


@pytest.mark.parametrize(
    ("columns", "settings"),
    [
        (NUMBERS, {}),
        (NUMBERS, {"nan_mode": "Max"}),
        (ALL, {"one_hot_max_size": 500}),
        (ALL, {}),
        (ALL, {"simple_ctr": KINDS}),
        (ALL, {"grow_policy": "Lossguide"}),
    ],
    ids=["numbers", "missing above", "single", "statistics", "kinds", "uneven"],
)
def test_equal_bits(tmp_path: Path, columns: tuple[str, ...], settings: dict[str, Any]) -> None:
    model, _ = trained(columns, **settings)
    model.save_model(tmp_path / "m.cbm")
    check(tmp_path / "m.cbm", columns, model)


def test_values(tmp_path: Path) -> None:
    model, _ = trained(ALL, SCORE)
    model.save_model(tmp_path / "m.cbm")
    check(tmp_path / "m.cbm", ALL, model, kind="regression")


def test_classes(tmp_path: Path) -> None:
    model, _ = trained(ALL, CLASSES)
    model.save_model(tmp_path / "m.cbm")
    check(tmp_path / "m.cbm", ALL, model, kind="classes", outputs=3, classes=("0", "1", "2"))


def test_a_row_without_a_category_has_no_prediction(tmp_path: Path) -> None:
    model, _ = trained(ALL)
    model.save_model(tmp_path / "m.cbm")
    rows = TRAIN.head(3).with_columns(city=pl.Series([8, None, 9]))
    assert np.isnan(found_in_graph(tmp_path / "m.cbm", rows)[:, 0]).tolist() == [False, True, False]


def test_a_model_that_knows_other_categories_is_refused(tmp_path: Path) -> None:
    model, _ = trained(ALL)
    model.save_model(tmp_path / "m.cbm")
    texts = TEXTS | {"city": TEXTS["city"].head(9)}
    with pytest.raises(ModelFileError, match="knows categories of 'city' that no row"):
        found_in_graph(tmp_path / "m.cbm", TRAIN, texts)


def test_a_file_that_lists_its_categories_needs_no_others(tmp_path: Path) -> None:
    model, pool = trained(ALL)
    model.save_model(tmp_path / "m.json", format="json", pool=pool)
    texts = {name: each.head(1) for name, each in TEXTS.items()}
    rows = hard_table()
    # CatBoost itself reads other last digits from JSON than it has written.
    read = catboost.CatBoost().load_model(tmp_path / "m.json", format="json")
    expected = read.predict(catboost_frame(rows, ALL), prediction_type="RawFormulaVal")
    np.testing.assert_array_equal(found_in_graph(tmp_path / "m.json", rows, texts)[:, 0], expected)


def test_encoded_columns(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    rows = pl.DataFrame({"d": draw.random(500).astype(np.float32), "s": draw.integers(0, 6, 500)})
    frame = pandas.DataFrame({"d": rows["d"].to_numpy(), "s": rows["s"].cast(pl.String).to_list()})
    label = ((rows["d"] > 0.4) ^ rows["s"].is_in([1, 4])).to_numpy()
    model = catboost.CatBoostClassifier(**CATBOOST).fit(
        catboost.Pool(frame, label, cat_features=["s"])
    )
    model.save_model(tmp_path / "m.cbm")
    context = context_of_table(rows, inputs=Inputs(1, (6,)), encoded=("d", "s"))
    scorer = opened(tmp_path / "m.cbm", context, columns="encoded")
    assert isinstance(scorer, CatBoostScorer)

    nodes = Nodes()
    tensors = {"d": nodes.cast("in_d", "FLOAT"), "s": nodes.cast("in_s", "INT32")}
    kinds: dict[str, Any] = {"d": "number", "s": "integer"}
    names = {"d": "d", "s": "s"}
    member = MemberInputs(RawColumns(nodes, [], (), ()), names, kinds, "m", tensors.__getitem__)
    output, _ = add_catboost(nodes, scorer, member, {"s": rows["s"].cast(pl.String).unique()})
    given = {f"in_{name}": rows[name].cast(pl.Float64).to_numpy()[:, None] for name in names}
    expected = model.predict(frame, prediction_type="RawFormulaVal")
    np.testing.assert_array_equal(compute(nodes, given, output)[:, 0], expected)
