"""Networks by factory: each joins with its own predictions for 5,000 rows, or is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from emm.core.errors import DecompositionError, EmmError, ModelFileError
from emm.data.tables.rows import RowTensors
from emm.fusion.build_pool import build_pool
from emm.fusion.check_pool import check_networks
from emm.fusion.pool import Pool
from emm.outside.factories import trusting
from emm.outside.settings import OutsideModel
from emm.training.context import TrainingContext
from tests.fusion import matrix, matrix_refused
from tests.fusion.conftest import INPUTS, SCHEMA, unsettle
from tests.fusion.entries import entry_of, load, schema_of
from tests.fusion.fused import build, rows

COUNT = 5000
SIGMOID, SOFTMAX = torch.sigmoid, nn.Softmax(1)
JOINING = {
    "Base": None,
    "InplaceModules": None,
    "BatchNorm": None,
    "LayerNormGelu": None,
    "ResidualBlocks": None,
    "CrossNetwork": None,
    "AttentionBlock": None,
    "RecurrentBlock": None,
    "SharedLayer": None,
    "WeightNorm": None,
    "Nested": None,
    "FunctionalBlock": None,
    "AssertsShapes": None,
    "ThreeClasses": None,
    "FinalSigmoid": SIGMOID,
    "FinalLogSigmoid": nn.functional.logsigmoid,
    "FinalSoftmax": SOFTMAX,
}
"""What makes the original's output of a member's logits, by factory."""

PLACE = r"tests.fusion.matrix_refused\.py, line \d+: "
VALUES = r"takes values out of a tensor, as a branch does: torch\.Tensor\."
REFUSED = {
    "InplaceFunction": rf"calls torch\.nn\.functional\.relu at {PLACE}functional\.relu\(h, inp",
    "Clamp": rf"calls torch\.Tensor\.clamp_ at {PLACE}h\.clamp_\(-0\.2, 0\.2\)",
    "Scale": rf"calls torch\.Tensor\.mul_ at {PLACE}h \*= self\.scale",
    "InplaceData": rf"{VALUES}numpy at {PLACE}",
    "HiddenInplace": rf"first after the layer first; its forward also calls (.|\n)*mul_ at {PLACE}",
    "KeywordSkip": "gives the module second the keyword argument skip",
    "Skip": "gives the module act something other than the output of second",
    "State": r"predicts something else when it is rebuilt(.|\n)*first after the layer second\.1",
    "Branch": rf"{VALUES}__bool__ at {PLACE}if h\.mean\(\)",
    "Item": rf"{VALUES}item at {PLACE}times = 2",
    "TwoLogits": r"\[rows, 2\](.|\n)*for a last layer of two logits, nn\.Linear\(H, 1\)",
    "FlattenedOutput": r"\[rows\](.|\n)*removes the last dimension: nn\.Flatten\(0\)",
    "FlattenedRows": r"act\.1 of risk doesn't keep the rows apart(.|\n)*\[16\] for 2 rows",
    "Squeezed": rf"calls torch\.Tensor\.squeeze at {PLACE}return",
    "TwoOutputs": "calls the module two, which returns 2 values",
    "TwoResults": "its forward of risk returns 2 values",
    "CatInForward": rf"calls torch\.cat at {PLACE}return .*(.|\n)*torch\.onnx\.export",
    "FunctionalSigmoid": rf"calls torch\.sigmoid at {PLACE}return",
    "HiddenSigmoid": r"risk returns probabilities instead of logits(.|\n)*cut off",
    "Noise": "risk predicts something else each time",
    "OfBatch": "depends on the other rows of its batch",
    "BranchOfLayer": "depends on the other rows of its batch",
    "NotANumber": "values that are no finite numbers",
    "Raising": r"risk can't be run: RuntimeError: mat1 and mat2 shapes cannot be multiplied",
    "Unlucky": "risk predicts something else when it is rebuilt",
}
"""The sentence that refuses a network, by factory."""


def edge_rows() -> tuple[Tensor, Tensor]:
    """Dense [N, D] and sparse [N, F] with zeros, unknown ids, and very small and large values."""
    dense, sparse = rows(COUNT)
    dense[:500], sparse[250:1000] = 0, 0
    dense[1000:1100] *= 1e-6
    dense[1100:1200] *= 50
    return dense, sparse


def context(outputs: int) -> TrainingContext:
    """Validation has the 5,000 rows."""
    dense, sparse = edge_rows()
    validation = RowTensors(dense, sparse, torch.zeros(COUNT, 1, dtype=torch.uint8))
    schema = schema_of(["t0"], [outputs])
    return TrainingContext(
        schema, SCHEMA, INPUTS, validation, validation, torch.device("cpu"), "tuned"
    )


def trained(factory: str) -> nn.Module:
    """A network with weights and statistics that no fresh one has."""
    torch.manual_seed(5)
    home = matrix_refused if factory in REFUSED else matrix
    model = getattr(home, factory)(INPUTS)
    unsettle(model)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.5)
        for layer in model.modules():
            if isinstance(layer, nn.Linear) and layer.out_features in (1, 3):
                layer.bias.fill_(-0.5)
    return model.eval()


def join(factory: str, folder: Path, **changes: Any) -> tuple[nn.Module, Pool]:
    """The network as it was trained, and the pool that it makes alone."""
    model = trained(factory)
    save_file(model.state_dict(), folder / "risk.safetensors")
    name = f"{type(model).__module__}:{factory}"
    entry = replace(entry_of(name, folder / "risk.safetensors"), **changes)
    with trusting([name]):
        return model, joined({"risk": entry}, model)


def joined(entries: dict[str, OutsideModel], model: nn.Module | None = None) -> Pool:
    outputs = {"ThreeClasses": 3, "FinalSoftmax": 3}.get(type(model).__name__, 1)
    networks = load(entries, ["t0"], [outputs]).networks
    several = [outputs] if outputs > 1 else ()
    pool = build_pool(networks, [], INPUTS, ["t0"], SCHEMA, 0, outputs=several)
    check_networks(pool, networks, context(outputs), {}, entries)
    return pool


def logits_of(pool: Pool, number: int = 0) -> Tensor:
    """Those of a member rebuilt from the pool, for all rows."""
    member = pool.members.networks[number].build(INPUTS).eval()
    member.load_state_dict(pool.tensors_of(f"networks.{number}"))
    with torch.inference_mode():
        return member(*edge_rows())


@pytest.mark.parametrize("factory", JOINING)
def test_it_joins_with_its_own_predictions(factory: str, tmp_path: Path) -> None:
    model, pool = join(factory, tmp_path)
    with trusting([f"tests.fusion.matrix:{factory}"]), torch.inference_mode():
        ours, ending = logits_of(pool), JOINING[factory]
        expected = model(*edge_rows())
    assert expected.std() > 0.01
    torch.testing.assert_close(ending(ours) if ending else ours, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("factory", REFUSED)
def test_it_is_refused_by_its_own_sentence(factory: str, tmp_path: Path) -> None:
    with pytest.raises(EmmError, match=REFUSED[factory]):
        join(factory, tmp_path)


def test_one_file_with_two_factories_gives_two_members(tmp_path: Path) -> None:
    save_file(trained("Base").state_dict(), tmp_path / "risk.safetensors")
    names = ["tests.fusion.matrix:Base", "tests.fusion.matrix:Shifting"]
    entries = {name: entry_of(name, tmp_path / "risk.safetensors") for name in names}
    with trusting(names):
        pool = joined(entries)
        found = [logits_of(pool, number) for number in range(2)]
    torch.testing.assert_close(found[0], trained("Base")(*edge_rows()))
    torch.testing.assert_close(found[1], trained("Shifting")(*edge_rows()))
    assert (found[0] - found[1]).abs().max() > 0.1


@pytest.mark.parametrize("kind", ["zip", "pickle"])
def test_weights_of_torch_save_are_refused_with_the_lines_that_save_them(
    kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "risk.pt"
    torch.save(trained("Base").state_dict(), path, _use_new_zipfile_serialization=kind == "zip")
    entry = entry_of("tests.fusion.matrix:Base", path)
    error = pytest.raises(ModelFileError, match=r"pickle of PyTorch(.|\n)*save_file\(model\.state")
    with trusting(["tests.fusion.matrix:Base"]), error:
        joined({"risk": entry})


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    join("Base", tmp_path)
    with trusting(["tests.fusion.matrix:Base"]):
        entry = entry_of("tests.fusion.matrix:Base", tmp_path / "risk.safetensors")
        network = load({"risk": entry}, ["t0"]).networks[0]
    with pytest.raises(DecompositionError, match="two members of the pool are called risk"):
        build_pool([network, network], [], INPUTS, ["t0"], SCHEMA, 0)


def test_a_final_sigmoid_of_a_regression_stays(tmp_path: Path) -> None:
    model = trained("FinalSigmoid")
    save_file(model.state_dict(), tmp_path / "risk.safetensors")
    name = "tests.fusion.matrix:FinalSigmoid"
    with trusting([name]):
        networks = load({"risk": entry_of(name, tmp_path / "risk.safetensors")}, ["t0"]).networks
        pool = build_pool(networks, [], INPUTS, ["t0"], SCHEMA, 0, regressions=["t0"])
        torch.testing.assert_close(logits_of(pool), model(*edge_rows()))


def test_the_mean_of_two_networks_is_that_of_their_logits(tmp_path: Path) -> None:
    originals, entries = [], {}
    for name, factory in {"plain": "Base", "sure": "FinalSigmoid"}.items():
        model = trained(factory)
        save_file(model.state_dict(), tmp_path / f"{name}.safetensors")
        path = f"tests.fusion.matrix:{factory}"
        originals.append(model)
        entries[name] = entry_of(path, tmp_path / f"{name}.safetensors")
    entries["other"] = replace(entries["plain"], task="t1")
    with trusting(["tests.fusion.matrix:Base", "tests.fusion.matrix:FinalSigmoid"]):
        networks = load(entries).networks
        pool = build_pool(networks, [], INPUTS, ["t0", "t1"], SCHEMA, 0)
        ours = build(pool, "ensemble").eval()(*edge_rows())
    dense, sparse = edge_rows()
    plain, sure = (model.double()(dense.double(), sparse) for model in originals)
    expected = torch.cat([(plain + torch.logit(sure)) / 2, plain], dim=1)
    torch.testing.assert_close(ours.double(), expected, rtol=1e-5, atol=1e-5)
