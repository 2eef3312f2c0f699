"""`emm pool add` of an exported folder: the export is an outside model again."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from emm.commands.pool_add import add_model
from emm.commands.pool_entry import Request
from emm.config.project import load_project
from emm.core.errors import ModelFileError, ParamsError
from emm.export.bundle import write_bundle
from emm.export.row import Row
from emm.predict.encoder import open_encoder
from emm.training.context import open_context
from emm.training.store import save_model
from tests.configuration import CENSUS
from tests.export.encoders import boosted
from tests.training.tiny import training

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def exported(_made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported folder."""
    out, seed = tmp_path_factory.mktemp("bundle"), tmp_path_factory.mktemp("model")
    processed, none = _made / "data/processed" / CENSUS, seed / "none"
    network = boosted(open_encoder(processed))
    context = open_context(processed, "paper", training())
    save_model(seed, network, context.describe("gbdt", "gbdt", network.arguments(), 0))
    write_bundle(out, Row(CENSUS, "paper", "gbdt", 0, seed, processed, none, none))
    return out


@pytest.fixture
def model(project: Path, exported: Path) -> Path:
    """The model of an exported folder in pool/."""
    shutil.copytree(exported, project / "pool/other")
    return Path("pool/other/model.onnx")


def add(file: Path, task: str = "income", *, write: bool = False, **options: str) -> Sequence[str]:
    request = Request(file, CENSUS, task, options=options)
    return [*add_model(load_project(), request, write=write)]


@pytest.mark.parametrize("task", ["income", "never-married"])
def test_its_signature_names_the_output_and_its_golden_rows_are_the_reference(
    model: Path, task: str
) -> None:
    lines = add(model, task)
    assert any("reference: 1,024 rows, largest difference" in line for line in lines)
    entry = yaml.safe_load(lines[-1])["fusion"]["pool"]
    assert entry == {
        "other": {
            "task": task,
            "model": "pool/other/model.onnx",
            "output": f"probability_{task.replace('-', '_')}",
            "reference": "pool/other/golden.parquet",
        }
    }


def test_what_the_request_names_stays(model: Path) -> None:
    lines = add(model, output="logit_income", gives="logit")
    assert yaml.safe_load(lines[-1])["fusion"]["pool"]["other"]["output"] == "logit_income"


def test_its_entry_is_written_and_its_columns_are_kept(model: Path) -> None:
    lines = add(model, write=True)
    assert any(line.startswith("written:") and "outside + other" in line for line in lines)
    project = load_project()
    assert project.active.outside == ("other",)
    raw = project.data(CENSUS).section("preprocess.raw")
    assert {"age", "education"} <= {*raw}


def test_a_task_that_it_does_not_predict_is_named(model: Path) -> None:
    conf = Path("conf", CENSUS, "data.yaml")
    conf.write_text(conf.read_text().replace("[income,", "[income, rich,"))
    with pytest.raises(ParamsError, match=r"doesn't predict the task 'rich'(.|\n)*got: income, ne"):
        add(model, "rich")


def test_an_altered_folder_is_refused(model: Path) -> None:
    with (model.parent / "golden.parquet").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ModelFileError, match=r"another golden\.parquet than was exported"):
        add(model)
