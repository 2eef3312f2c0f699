"""Entries of fusion.pool that can't be used, and their names in params.yaml."""

from pathlib import Path

import pytest

from tests.commands.copies import DATA, PAPER, Copy, put
from tests.configuration import Change, Tree


def pool(**keys: object) -> Change:
    """The entry "risk" of the pool; its file and the reference exist unless ``keys`` say so."""
    return put("fusion", pool={"risk": {"task": "income", "reference": "none", **keys}})


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pool").mkdir()
    for name in ("risk.onnx", "risk.safetensors", "rows.parquet"):
        Path("pool", name).write_bytes(b"")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"model": "pool/risk.onnx", "task": "incom"}, "no task is called 'incom'; did you mean"),
        ({}, "neither a network nor a model file\n  where: FILE: fusion.pool.risk\n  got: no mod"),
        (
            {"model": "pool/risk.onnx", "factory": "a:b", "weights": "pool/risk.safetensors"},
            "got: model: pool/risk.onnx, factory: a:b, weights: pool/risk.safetensors",
        ),
        ({"factory": "a:b"}, "neither a network nor a model file"),
        ({"weights": "pool/risk.safetensors"}, "neither a network nor a model file"),
        (
            {"factory": "a.b", "weights": "pool/risk.safetensors"},
            "the factory 'a.b' names no function",
        ),
        (
            {"factory": "a:b", "weights": "pool/risk.safetensors", "columns": "raw"},
            "the key columns doesn't fit its entry",
        ),
        ({"model": "pool/risk.onnx", "tower": "top"}, "the key tower doesn't fit its entry"),
        ({"model": "pool/no.json"}, "the file pool/no.json of an outside model doesn't exist"),
        (
            {"model": "pool/risk.onnx", "reference": "pool/no.csv"},
            "the file pool/no.csv of an outside model doesn't exist",
        ),
        (
            {"model": "pool/risk.onnx", "reference": None},
            "the entry names no reference, so nobody would notice",
        ),
        ({"model": "pool/risk.onnx", "tolerance": 5e-5}, "a tolerance beyond 1e-5 needs a reason"),
    ],
)
def test_an_entry_that_cannot_be_used(copy: Copy, keys: dict[str, object], message: str) -> None:
    copy.activate(outside=["risk"])
    copy.edit(PAPER, pool(**keys))
    path = str(copy.params.parent / f"conf/{PAPER}.yaml")
    assert message.replace("FILE", path) in copy.faults()


@pytest.mark.usefixtures("files")
def test_entries_that_can_be_used(copy: Copy) -> None:
    copy.activate(outside=["risk"])
    copy.edit(PAPER, pool(model="pool/risk.onnx", tolerance=5e-5, reason="float32"))
    copy.check()
    copy.edit(PAPER, pool(model="pool/risk.onnx", reference="pool/rows.parquet"))
    copy.check()
    copy.edit(PAPER, pool(factory="a:b", weights="pool/risk.safetensors", tower="top"))
    copy.check()


@pytest.mark.usefixtures("files")
def test_params_yaml_names_the_models_of_the_pool(copy: Copy) -> None:
    copy.edit(PAPER, pool(model="pool/risk.onnx"))
    found = copy.faults()
    assert "the pool's model 'risk' isn't active, so nothing scores it" in found
    assert "next: `emm check --fix` writes it" in found
    copy.activate(outside=["risk", "other"])
    assert "census-income has no outside model 'other'" in copy.faults()


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("name", ["tm-1", "gbdt"])
def test_a_name_stands_for_one_member(copy: Copy, name: str) -> None:
    def change(tree: Tree) -> None:
        entry = {"task": "income", "model": "pool/risk.onnx", "reference": "none"}
        tree["fusion"]["pool"] = {name: entry}

    copy.edit(PAPER, change)
    assert f"the name {name!r} stands for two members of the pool" in copy.faults()


@pytest.mark.usefixtures("files")
def test_a_fused_model_may_consist_of_onnx_networks(copy: Copy) -> None:
    copy.activate(outside=["risk", "single"], trained=[], table=["gbdt"])
    entry = {"model": "pool/risk.onnx", "reference": "none"}
    both = {
        "risk": {"task": "income", **entry},
        "single": {"task": "never-married", **entry},
    }
    copy.edit(PAPER, put("fusion", pool=both))
    copy.edit(DATA, lambda tree: None)
    copy.check()
