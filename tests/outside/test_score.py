"""Scoring of real outside models on real processed data, against the original libraries."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emm.core.errors import DataError, ModelFileError, ParamsError
from emm.data.tables.schema import SPLITS, Schema, load_schema
from emm.outside.check import open_entry
from emm.outside.scores import SCORES, load_scores
from emm.outside.settings import OutsideModel
from emm.outside.wanted import wanted_columns
from tests.outside.people import as_pandas
from tests.outside.scoring import original, run
from tests.outside.shop import (
    FEATURES,
    export,
    pipeline,
    processed_shop,
    raw_table,
    write_reference,
)

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return processed_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def schema(processed: Path) -> Schema:
    return load_schema(processed / "schema.json")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier, a regression and a classifier of three classes, with their references."""
    folder = tmp_path_factory.mktemp("pool")
    tail = as_pandas(raw_table().tail(200))
    for label, model in (
        ("rich", LogisticRegression(max_iter=300)),
        ("size", LogisticRegression(max_iter=300)),
        ("income", LinearRegression()),
    ):
        fitted = pipeline(model, label)
        export(fitted, folder / f"{label}.onnx")
        path = folder / f"{label}.parquet"
        if label == "rich":
            write_reference(path, fitted.predict_proba(tail)[:, 1])
        elif label == "size":
            names = tuple(f"prediction:{name}" for name in fitted.classes_)
            write_reference(path, fitted.predict_proba(tail), names)
        else:
            write_reference(path, fitted.predict(tail))
    return folder


def entry(models: Path, label: str = "rich", **keys: object) -> OutsideModel:
    settings: dict[str, object] = {
        "model": str(models / f"{label}.onnx"),
        "reference": str(models / f"{label}.parquet"),
        **({"output": "probabilities[:, 1]"} if label == "rich" else {}),
        **({"output": "probabilities"} if label == "size" else {}),
        **keys,
    }
    return OutsideModel(label, **settings)  # type: ignore[arg-type]


def test_a_classifier_on_raw_columns(
    processed: Path, schema: Schema, models: Path, tmp_path: Path
) -> None:
    member = run(tmp_path, entry(models), processed, schema)
    fitted = pipeline(LogisticRegression(max_iter=300), "rich")
    for split in SPLITS:
        rows = original(processed, split)
        found = load_scores(tmp_path, split, len(rows), 1)
        expected = fitted.predict_proba(as_pandas(rows))[:, 1]
        np.testing.assert_allclose(found.sigmoid()[:, 0].numpy(), expected, atol=1e-6)
    assert (member.kind, member.columns, member.join.kind) == ("onnx", "raw", "opaque")
    assert (member.gives, member.join.width) == ("probability", 1)
    assert member.inputs == {name: name for name in FEATURES}
    assert member.checked is not None
    assert member.checked.rows == 200
    assert member.checked.largest_difference < 1e-6
    labels = pl.read_parquet(processed / "validation.parquet")["label:rich"]
    rows = as_pandas(original(processed, "validation"))
    assert member.quality is not None
    assert member.quality.validation == pytest.approx(
        roc_auc_score(labels, fitted.predict_proba(rows)[:, 1]), abs=1e-6
    )


def test_classes_are_in_the_order_of_the_task(
    processed: Path, schema: Schema, models: Path, tmp_path: Path
) -> None:
    assert schema.classes["size"] == ("medium", "small", "tall")
    run(tmp_path, entry(models, "size"), processed, schema)
    fitted = pipeline(LogisticRegression(max_iter=300), "size")
    assert [*fitted.classes_] == [*schema.classes["size"]]
    rows = original(processed, "test")
    found = load_scores(tmp_path, "test", len(rows), 3)
    expected = fitted.predict_proba(as_pandas(rows))
    np.testing.assert_allclose(found.softmax(1).numpy(), expected, atol=1e-6)


def test_values_of_a_regression_are_standardised(
    processed: Path, schema: Schema, models: Path, tmp_path: Path
) -> None:
    member = run(tmp_path, entry(models, "income"), processed, schema)
    assert (member.gives, member.join.kind) == ("value", "opaque")
    fitted, target = pipeline(LinearRegression(), "income"), schema.targets["income"]
    rows = original(processed, "validation")
    values = fitted.predict(as_pandas(rows))
    found = load_scores(tmp_path, "validation", len(rows), 1)[:, 0].numpy()
    np.testing.assert_allclose(found, (values - target.mean) / target.std, atol=1e-5)
    labels = pl.read_parquet(processed / "validation.parquet")["label:income"]
    assert member.quality is not None
    assert member.quality.metric == "r2"
    assert member.quality.validation == pytest.approx(
        r2_score(labels, (values - target.mean) / target.std), abs=1e-4
    )


def test_columns_of_a_matrix_are_those_of_the_reference_in_its_order(
    processed: Path, schema: Schema, tmp_path: Path
) -> None:
    table = raw_table()
    names = ["weeks", "age", "gains"]
    numbers = table.select(names).to_numpy().astype(np.float32)
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(numbers, table["rich"])
    proto = to_onnx(fitted, numbers[:1], options={"zipmap": False})
    (tmp_path / "matrix.onnx").write_bytes(proto.SerializeToString())
    given = table.select(names).head(80)
    predictions = fitted.predict_proba(numbers[:80])[:, 1]
    given.with_columns(prediction=pl.Series(predictions)).write_csv(tmp_path / "rows.csv")
    of = OutsideModel(
        "rich",
        model=str(tmp_path / "matrix.onnx"),
        output="probabilities[:, 1]",
        reference=str(tmp_path / "rows.csv"),
    )
    member = run(tmp_path, of, processed, schema)
    assert member.inputs == {"X[0]": "weeks", "X[1]": "age", "X[2]": "gains"}
    assert any("reference's columns in their order" in each for each in member.said)
    with pytest.raises(ParamsError, match="some inputs of the model have no column of their name"):
        run(tmp_path, replace(of, reference="none"), processed, schema)


def test_an_input_may_be_an_expression(
    processed: Path, schema: Schema, models: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelFileError, match="risk doesn't predict here what its original"):
        run(tmp_path, entry(models, columns={"age": "age + 1"}), processed, schema)
    member = run(tmp_path, entry(models, columns={"age": "age + 0"}), processed, schema)
    assert member.inputs["age"] == "age + 0"


def test_the_reference_of_another_model_is_refused(
    processed: Path, schema: Schema, models: Path, tmp_path: Path
) -> None:
    other = pipeline(LogisticRegression(C=0.01), "rich", 500)
    predictions = other.predict_proba(as_pandas(raw_table().tail(200)))[:, 1]
    path = write_reference(tmp_path / "other.parquet", predictions)
    with pytest.raises(ModelFileError, match=r"row \d+: 0\.\d+ here, 0\.\d+ there") as error:
        run(tmp_path, entry(models, reference=str(path)), processed, schema)
    assert "where: " + str(path) in str(error.value)
    assert not (tmp_path / SCORES).exists()


def test_without_a_reference_nothing_is_checked(
    processed: Path, schema: Schema, models: Path, tmp_path: Path
) -> None:
    member = run(tmp_path, entry(models, reference="none"), processed, schema)
    assert member.checked is None
    with pytest.raises(ParamsError, match="names no reference"):
        run(tmp_path, entry(models, reference=None), processed, schema)


def test_what_the_output_is_may_not_be_misstated(
    processed: Path, schema: Schema, models: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelFileError, match=r"gives probabilities, not logits"):
        run(tmp_path, entry(models, gives="logit", reference="none"), processed, schema)


def test_labels_of_test_are_not_read(
    processed: Path, schema: Schema, models: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    (copy / "raw").mkdir(parents=True)
    for file in processed.rglob("*.*"):
        (copy / file.relative_to(processed)).write_bytes(file.read_bytes())
    labelled = pl.read_parquet(copy / "test.parquet")
    labelled.drop([f"label:{task}" for task in schema.tasks]).write_parquet(copy / "test.parquet")
    out = tmp_path / "out"
    out.mkdir()
    run(out, entry(models), copy, schema)


def test_raw_columns_that_are_not_kept_are_named(
    schema: Schema, models: Path, tmp_path: Path
) -> None:
    processed = processed_shop(tmp_path, ("age", "gains"))
    with pytest.raises(DataError, match=r"lacks the column 'weeks'(.|\n)*emm check --fix"):
        run(tmp_path, entry(models), processed, schema)
    wanted = wanted_columns({"risk": entry(models)}, processed, "conf")
    assert wanted == {"risk": FEATURES}
    assert wanted_columns({"risk": entry(models)}, tmp_path / "none", "conf") == {}


def test_only_the_matched_columns_are_wanted(processed: Path, schema: Schema, models: Path) -> None:
    of = entry(models, columns={"gains": "age * 2", "nothing": "age"})
    opened = open_entry("risk", of, processed, schema, "conf")
    assert opened.columns == ("age", "weeks", "job", "state")
    assert opened.matches.unused.keys() == {"nothing"}


def test_a_model_without_a_number_for_some_rows_is_refused(
    processed: Path, schema: Schema, models: Path, tmp_path: Path
) -> None:
    of = entry(models, columns={"age": "NULLIF(age, age)"}, reference="none")
    with pytest.raises(ModelFileError, match=r"gives no number for some rows(.|\n)*COALESCE"):
        run(tmp_path, of, processed, schema)


def test_the_task_of_another_kind_is_refused(
    processed: Path, schema: Schema, models: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelFileError):
        run(tmp_path, replace(entry(models), task="size"), processed, schema)
