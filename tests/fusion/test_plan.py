import io
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import yaml
from rich.console import Console
from safetensors.torch import save_file

from emm.config.project import load_project
from emm.core.errors import DataError, DecompositionError, ParamsError
from emm.data.tables.schema import (
    FORMAT,
    DenseColumn,
    Schema,
    SparseColumn,
    load_schema,
    write_schema,
)
from emm.fusion.plan import decomposition_plan
from emm.nn.inputs import Inputs
from tests.fusion.outside import Bounded
from tests.fusion.scoring import save_onnx

ROOT = Path(__file__).parents[2]
CENSUS = "census-income"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "conf" / CENSUS, tmp_path / "conf" / CENSUS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def encoded(project: Path) -> Path:
    """A project whose data has one dense and one sparse column."""
    schema = Schema(
        format=FORMAT,
        dataset=CENSUS,
        title="",
        licence="",
        origin="",
        tasks=("income", "never-married"),
        key=None,
        weight=None,
        dense=(DenseColumn("x", 0.0, 1.0, 0.5, 0.1, 0, constant=False, quantiles=()),),
        sparse=(SparseColumn("id", 4, 0, constant=False),),
        splits={},
        vocabularies={},
    )
    folder = project / "data/processed" / CENSUS
    folder.mkdir(parents=True)
    write_schema(schema, folder / "schema.json")
    return project


def planned(**changes: Any) -> str:
    """The plan of the paper's recipe, with ``changes`` to its sections."""
    path = Path("conf") / CENSUS / "paper.yaml"
    tree = yaml.safe_load(path.read_text())
    for section, keys in changes.items():
        tree[section].update(keys)
    path.write_text(yaml.safe_dump(tree))
    text = io.StringIO()
    project = load_project(recipe="paper")
    Console(width=200, file=text).print(decomposition_plan(project, CENSUS))
    return text.getvalue()


def with_blocks(structure: str, blocks: list[list[int]]) -> dict[str, Any]:
    tree = yaml.safe_load((Path("conf") / CENSUS / "paper.yaml").read_text())
    return {structure: {**tree["pretrain"][structure], "blocks": blocks}}


def test_it_shows_every_model_its_levels_and_the_cuts(encoded: Path) -> None:
    shown = planned()
    for name in ("tm-1/income", "tm-2/never-married", "level 3", "blocks.2.0 to blocks.2.7"):
        assert name in shown
    assert "front to blocks.0.7" in shown
    assert "level 4" not in shown


def test_it_shows_the_layers_that_all_models_share_before_each_cut(encoded: Path) -> None:
    *_, cut = planned().partition("cut after, in every model")
    for layer in ("BatchNorm1d", "ReLU", "Dropout"):
        assert cut.count(f"{layer} [8] -> [8]") == 3
    assert "Linear" not in cut


def test_a_last_level_without_a_layer_in_common_is_marked(encoded: Path) -> None:
    factory = "tests.fusion.outside:Bounded"
    save_file(Bounded(Inputs(1, (4,))).state_dict(), "weights.safetensors")
    entry = {"task": "income", "factory": factory, "weights": "weights.safetensors"}
    shown = planned(fusion={"pool": {"bounded": entry}})
    assert "level 3" not in shown
    *_, cut = shown.partition("cut after")
    assert cut.count("ReLU [8] -> [8]") == cut.count("(its last layer)") == 1


def test_networks_of_different_widths_can_only_be_cut_with_an_adapter(encoded: Path) -> None:
    other = with_blocks("tm-2", [[20, 5]])
    with pytest.raises(DecompositionError, match="share no layer"):
        planned(pretrain=other)
    shown = planned(pretrain=other, fusion={"adapter": "linear"})
    assert "tm-2/income" in shown
    assert "level 1" in shown


def test_trees_are_not_part_of_the_plan(encoded: Path) -> None:
    quiet = {"objective": "binary", "verbosity": -1, "num_threads": 1}
    rows = np.stack([np.arange(100) / 100, np.arange(100) % 4], axis=1)
    data = lightgbm.Dataset(rows, rows[:, 1] > 1, feature_name=["x", "id"], params=quiet)
    lightgbm.train(quiet, data, 2).save_model("trees.txt")
    plain = planned()
    entry = {"task": "income", "model": "trees.txt", "columns": "encoded"}
    assert planned(fusion={"pool": {"boosted": entry}}) == plain


def test_networks_from_onnx_are_cut_and_opaque_members_have_an_equal_part(encoded: Path) -> None:
    raw = encoded / "data/processed" / CENSUS / "raw"
    raw.mkdir()
    (raw / "columns.json").write_text("{}")
    save_onnx(encoded / "deep.onnx", 0)
    save_onnx(encoded / "flat.onnx", 1, ())
    save_onnx(encoded / "unlike.onnx", 1, (7, 5))
    entries = {
        name: {"task": "income", "model": f"{name}.onnx", "reference": "none"}
        for name in ("deep", "flat", "unlike")
    }
    shown = planned(fusion={"pool": entries})
    (deep,) = (line for line in shown.splitlines() if line.startswith("│ deep"))
    assert "layers.0 to" in deep
    for name in ("flat", "unlike"):
        (opaque,) = (line for line in shown.splitlines() if line.startswith(f"│ {name}"))
        assert opaque.count("an equal part of its logit") == 3
    assert "level 3" in shown


def test_a_pool_entry_that_is_neither_network_nor_file_is_an_error(encoded: Path) -> None:
    with pytest.raises(ParamsError, match="neither a network nor a model file"):
        planned(fusion={"pool": {"risk": {"task": "income"}}})


def test_it_shows_the_networks_that_the_pool_takes(encoded: Path) -> None:
    shown = planned(fusion={"networks": ["tm-2"]})
    assert "tm-2/income" in shown
    assert "tm-1" not in shown


def test_a_network_of_the_pool_that_is_not_trained_is_an_error(encoded: Path) -> None:
    with pytest.raises(
        ParamsError, match=r"'tm-3', which isn't trained(.|\n)*add tm-3 to `trained`"
    ):
        planned(fusion={"networks": ["tm-2", "tm-3"]})


def test_networks_of_a_task_of_classes_are_planned_with_its_outputs(encoded: Path) -> None:
    file = encoded / "data/processed" / CENSUS / "schema.json"
    schema = load_schema(file)
    classes = {"never-married": ("never", "married", "widowed")}
    kinds = {"never-married": "classes"}
    plain = planned()
    write_schema(replace(schema, kinds=kinds, classes=classes), file)
    assert planned() == plain


def test_without_preprocessed_data_the_error_names_the_next_step(project: Path) -> None:
    with pytest.raises(DataError, match="dvc repro preprocess"):
        decomposition_plan(load_project(), CENSUS)


@pytest.mark.usefixtures("encoded")
def test_a_network_that_is_not_cut_has_an_equal_part_in_each_level() -> None:
    found = planned(pretrain={"tm-2": {"network": "tabm"}})
    row = next(line for line in found.splitlines() if "tm-2/income" in line)
    assert row.count("an equal part of its") == 6
    assert "tm-1/income" in found


@pytest.mark.usefixtures("encoded")
def test_a_pool_without_networks_that_are_cut_has_one_level() -> None:
    found = planned(pretrain={name: {"network": "dcnv2"} for name in ("tm-1", "tm-2")})
    assert "level 1" in found
    assert "level 2" not in found
    assert "cut after" not in found
