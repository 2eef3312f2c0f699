"""The export of a fused model with members from outside: golden rows, and its card."""

from pathlib import Path

import polars as pl
import pytest

from emm.export.bundle import write_bundle
from emm.export.row import Row
from emm.export.signature import read_signature
from emm.outside.factories import trusting
from emm.predict.outside import OutsidePool
from tests.fusion.test_score_to_fusion import NETWORK, processed_of, shop
from tests.predict.test_outside_members import entries_of, folder

__all__ = ["folder", "shop"]
pytest.importorskip("onnxruntime")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Stochastic Optimizer")]


@pytest.fixture(scope="module")
def fused_bundle(shop: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out, none = tmp_path_factory.mktemp("bundle"), folder / "none"
    pool = OutsidePool(entries_of(shop), shop / "scores", "conf: fusion.pool")
    models, processed = folder / "ensemble/seed-0", processed_of(shop)
    row = Row("shop", "paper", "ensemble", 0, models, processed, none, none, pool)
    with trusting([NETWORK]):
        write_bundle(out, row)
    return out


def test_columns_that_only_members_read_are_inputs_with_golden_values(fused_bundle: Path) -> None:
    signature = read_signature(fused_bundle)
    golden = pl.read_parquet(fused_bundle / "golden.parquet")
    assert [*golden.columns] == [
        *(each.column for each in signature.inputs),
        *(each.name for each in signature.outputs),
    ]
    assert (
        golden.select(each.name for each in signature.outputs).null_count().sum_horizontal()[0] == 0
    )


def test_the_card_lists_every_member_with_its_task_and_source(
    shop: Path, fused_bundle: Path
) -> None:
    text = (fused_bundle / "README.md").read_text()
    assert "Members of the fusion." in text
    for name, entry in entries_of(shop).items():
        line = next(line for line in text.splitlines() if line.startswith(f"| `{name}`"))
        assert f" {entry.task} |" in line
        assert " unchecked |" in line
    assert "deep has seen rows of train" in text
