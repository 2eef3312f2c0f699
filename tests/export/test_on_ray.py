"""`emm predict --engine ray` on a cluster of two nodes on this machine, one processor each."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from emm.export.golden import golden_rows
from emm.predict.encoder import open_encoder
from tests.ray_nodes import PATIENCE, two_nodes

pytest.importorskip("ray", reason="the extra ray isn't installed")

pytestmark = pytest.mark.slow

MAIN = (
    "import emm.predict.run; emm.predict.run.UNIT = 100\nfrom emm.commands.cli import main; main()"
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with two_nodes(tmp_path_factory.mktemp("nodes")) as address:
        yield address


@pytest.fixture(scope="module")
def rows(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of some units of rows, one of which can't be used."""
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    made = golden_rows(open_encoder(bundle), 450)
    broken = pl.when(pl.int_range(len(made)) == 120).then(pl.lit("never")).otherwise("when")
    made.with_columns(broken.alias("when")).write_parquet(path)
    return path


def predict(model: Path, rows: Path, out: Path, *words: str, address: str = "") -> str:
    """What the command says; raises AssertionError unless it succeeds."""
    command = [sys.executable, "-c", MAIN, "predict", str(model), str(rows), "--out", str(out)]
    variables = {**os.environ, **({"RAY_ADDRESS": address} if address else {})}
    done = subprocess.run(
        [*command, *words],
        cwd=out.parent,
        env=variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_the_same_rows_have_the_same_bytes_in_order(
    cluster: str, bundle: Path, rows: Path, tmp_path: Path
) -> None:
    predict(bundle, rows, tmp_path / "here.parquet")
    said = predict(bundle, rows, tmp_path / "ray.parquet", "--engine", "ray", address=cluster)
    assert "1 of them can't be used" in said
    assert (tmp_path / "ray.parquet").read_bytes() == (tmp_path / "here.parquet").read_bytes()
    lists = [tmp_path / f"{name}.parquet.rejected.jsonl" for name in ("ray", "here")]
    assert lists[0].read_text() == lists[1].read_text()


def test_without_a_cluster_it_says_how_to_start_one(
    bundle: Path, rows: Path, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match="next: ray start --head, or set RAY_ADDRESS"):
        predict(bundle, rows, tmp_path / "out.csv", "--engine", "ray", address="127.0.0.1:1")
