"""Multi-valued fields: read from bags.parquet by every model that is trained, fused or scored."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from emm.core.errors import DataError
from emm.data.tables.names import BAG, BAGS
from emm.data.tables.schema import SPLITS, BagColumn, load_schema, write_schema
from emm.evaluation.evaluate import evaluate
from emm.fusion.decompose import decompose
from emm.fusion.train import train_fused
from emm.training.bags import load_bags
from emm.training.context import open_context
from tests.fusion.fusing import ALIGNED, settings
from tests.training.tiny import SCHEMA, fusion, save_processed, train_members, training


def save_with_bags(folder: Path) -> None:
    """Save the tiny dataset with a bag of up to four items for each row."""
    save_processed(folder)
    draw = torch.Generator().manual_seed(0)
    bags: list[list[int]] = []
    for split in SPLITS:
        source = "validation" if split == "test" else split
        rows = pl.read_parquet(folder / f"{source}.parquet")
        own = [
            torch.randint(1, 6, (int(torch.randint(0, 5, (), generator=draw)),), generator=draw)
            for _ in range(len(rows))
        ]
        numbers = pl.int_range(len(bags), len(bags) + len(rows), dtype=pl.Int32, eager=True)
        bags += [items.tolist() for items in own]
        rows = rows.with_columns(numbers.alias(BAG))
        rows.write_parquet(folder / f"bags-{split}.parquet")
    for split in SPLITS:
        (folder / f"bags-{split}.parquet").replace(folder / f"{split}.parquet")
    pl.DataFrame({"items": bags}, schema={"items": pl.List(pl.Int32)}).write_parquet(folder / BAGS)
    column = BagColumn("items", cardinality=6, rare=0, items=sum(map(len, bags)))
    write_schema(replace(SCHEMA, bags=(column,)), folder / "schema.json")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bags")
    save_with_bags(folder / "processed")
    context, how = open_context(folder / "processed", "tuned", training()), fusion("out-of-fold")
    decompose(folder / "pool", context, *train_members(folder, context, how), how, (0,))
    train_fused(
        folder / "aligned",
        context,
        name="aligned",
        components=folder / "pool",
        training=training(),
        fusion=how,
        settings=settings(fit_on="train"),
        arguments=ALIGNED,
    )
    return folder


def predictions(trained: Path, name: str, out: Path) -> Tensor:
    out.mkdir()
    evaluate(
        trained / name,
        trained / "processed",
        out,
        name=name,
        seeds=(0,),
        bins=5,
        device="cpu",
        threads=1,
        deterministic=False,
    )
    return load_file(out / "predictions.safetensors")["logits"]


@pytest.mark.parametrize(("name", "reads"), [("wide", True), ("aligned", True), ("gbdt", False)])
def test_networks_and_their_fusion_read_bags_but_trees_do_not(
    trained: Path, tmp_path: Path, name: str, reads: bool
) -> None:
    whole = predictions(trained, name, tmp_path / "whole")
    file = trained / "processed" / BAGS
    kept = file.read_bytes()
    bags = pl.read_parquet(file)
    bags.with_columns(pl.col("items").list.head(0)).write_parquet(file)
    emptied = predictions(trained, name, tmp_path / "emptied")
    file.write_bytes(kept)
    assert torch.equal(whole, emptied) is not reads


def test_the_store_holds_the_bags_of_the_file(trained: Path) -> None:
    processed = trained / "processed"
    store = load_bags(processed, load_schema(processed / "schema.json"), torch.device("cpu"))
    assert store is not None
    ids, starts = store.gather(0, torch.arange(len(store.starts[0]) - 1))
    lists = pl.read_parquet(processed / BAGS)["items"]
    assert ids.tolist() == [item for items in lists.to_list() for item in items]
    assert starts.tolist() == [0, *lists.list.len().cum_sum().to_list()[:-1]]


def test_a_dataset_without_bags_has_no_store(tmp_path: Path) -> None:
    assert load_bags(tmp_path, SCHEMA, torch.device("cpu")) is None


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    schema = replace(SCHEMA, bags=(BagColumn("items", 6, 0, 9),))
    with pytest.raises(DataError, match=r"bags.parquet can't be read"):
        load_bags(tmp_path, schema, torch.device("cpu"))
