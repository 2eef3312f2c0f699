"""What is known about raw columns of train, with and without kept raw columns."""

from pathlib import Path

import polars as pl
import pytest

from emm.data.tables.raw import RawSplit, open_raw, raw_columns
from emm.data.tables.schema import load_schema
from emm.outside.train_columns import FittedColumns, KeptColumns
from tests.configuration import CENSUS
from tests.pool.census_project import make_project

KEPT = ["age", "weeks_worked", "education", "state_of_previous_residence", "year"]

Both = tuple[KeptColumns, FittedColumns]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Of the same rows."""
    root = tmp_path_factory.mktemp("census")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        make_project(root, *KEPT)
    processed = root / "data/processed" / CENSUS
    schema = load_schema(processed / "schema.json")
    fitted = FittedColumns(processed, schema, dict(raw_columns(processed)))
    return KeptColumns(open_raw(processed, "train")), fitted


@pytest.mark.parametrize("name", KEPT)
def test_range_and_missing_share_are_those_of_the_kept_columns(both: Both, name: str) -> None:
    kept, fitted = both
    assert fitted.knows(name)
    assert fitted.numbers(name) == kept.numbers(name)
    assert fitted.missing(name) == pytest.approx(kept.missing(name))


@pytest.mark.parametrize("name", KEPT[2:])
def test_texts_are_those_of_the_kept_columns(both: Both, name: str) -> None:
    kept, fitted = both
    assert len(kept.texts(name)) > 1
    assert set(fitted.texts(name)) == set(kept.texts(name))


def test_labels_and_weights_are_unknown(both: Both) -> None:
    _, fitted = both
    assert not any(map(fitted.knows, ("income", "instance_weight", "marital_status")))


def test_missing_texts_are_counted(tmp_path: Path) -> None:
    pl.DataFrame({"t": ["a", None, "b", None]}).write_parquet(tmp_path / "train.parquet")
    kept = KeptColumns(RawSplit(tmp_path / "train.parquet"))
    assert kept.missing("t") == 0.5
    assert set(kept.texts("t")) == {"a", "b", None}
