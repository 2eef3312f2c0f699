"""Custom data: the pipeline runs from a CSV file and a few lines of YAML to the report."""

import json

import numpy as np
import polars as pl

from emm.data.tables.names import BAGS
from emm.data.tables.schema import load_schema
from tests.pipeline.workspace import PARAMS, Workspace

ROWS = 600
LISTS = {
    "trained": ["tm-1"],
    "baselines": ["mmoe"],
    "fused": ["emm"],
    "table": ["tm-1", "gbdt", "mmoe", "emm"],
}


def visits() -> pl.DataFrame:
    """Rows with a funnel (visit, purchase), an amount spent, and a field with several genres."""
    draw = np.random.default_rng(0)
    price = draw.lognormal(2, 1, ROWS).round(2)
    visited = (draw.random(ROWS) < 0.5).astype(int)
    orders = visited * draw.integers(0, 3, ROWS)
    genres = [
        draw.choice(["rock", "jazz", "pop"], n, replace=False) for n in draw.integers(0, 4, ROWS)
    ]
    return pl.DataFrame(
        {
            "day": [f"2026-03-{day:02}" for day in np.sort(draw.integers(1, 29, ROWS))],
            "user": draw.integers(0, 60, ROWS),
            "price": price,
            "channel": draw.choice(["ads", "mail", "NA"], ROWS),
            "genres": ["|".join(names) for names in genres],
            "visited": visited,
            "orders": orders,
            "amount": (orders * price).round(2),
        }
    )


DESCRIPTION = """\
source: {path: mine}
custom:
  tasks:
    visit: visited
    purchase: orders > 0
    spend: {expression: amount, kind: regression}
  bags: {genres: "|"}
  split: {by: time, column: day, validation: 0.2, test: 0.2}
check-data: {max_column_auc: 0.999, max_rate_difference: 9.0}
"""
DEFAULT = "conf/shop/default.yaml"


def test_custom_data_runs_from_csv_and_a_description_to_the_report(untouched: Workspace) -> None:
    (untouched.root / "mine").mkdir()
    visits().write_csv(untouched.root / "mine/visits.csv")
    (untouched.root / "conf/shop").mkdir()
    (untouched.root / "conf/shop/data.yaml").write_text(DESCRIPTION)
    lists = {"datasets": ["shop"], "recipe": "default", **LISTS}
    untouched.change(PARAMS, lambda tree: tree.update(lists))
    assert "`emm check --fix` writes it" in untouched.run("emm", "check", check=False).stderr
    assert "dvc.yaml are in order" in untouched.run("emm", "check", "--fix").stderr
    untouched.replace(DEFAULT, "  threads: 1\n", "  threads: 1\n  max_epochs: 2\n")
    untouched.replace(DEFAULT, "  folds: 4\n", "  folds: 2\n")
    assert "report@shop" in untouched.repro()
    processed = untouched.root / "data/processed/shop"
    schema = load_schema(processed / "schema.json")
    assert schema.kinds == {"visit": "binary", "purchase": "binary", "spend": "regression"}
    assert [column.name for column in schema.bags] == ["genres"]
    assert len(pl.read_parquet(processed / BAGS)) == ROWS
    assert {"visited", "orders", "amount"}.isdisjoint([*schema.dense_names, *schema.sparse_names])
    found = json.loads((untouched.root / "metrics/shop/default/emm.json").read_text())
    assert "auc" in found["purchase"]
    assert "r2" in found["spend"]
    assert (untouched.root / "reports/shop.md").read_text().startswith("# shop")
    assert json.loads((untouched.root / "pins/shop.json").read_text()).keys() == {"visits.csv"}
    history = untouched.root / "data/models/shop/default/mmoe/history.json"
    assert len(json.loads(history.read_text())["runs"][0]["epochs"]) == 2
    assert untouched.repro() == set()
    untouched.replace(DEFAULT, "  mmoe: {}\n", "  mmoe: {experts: 2}\n")
    assert untouched.repro() == {"train@shop-mmoe", "evaluate@shop-mmoe", "report@shop"}
