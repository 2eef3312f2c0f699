"""Networks of every architecture as operators of ONNX, from raw rows to the outputs of tasks."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from emm.core.errors import ModelFileError
from emm.export.graph_network import Network, exported
from emm.export.undecided import undecided_rows
from emm.fusion.pool import Pool
from emm.fusion.settings import VARIANTS
from emm.fusion.stacking.module import StackedFusion
from emm.models import model_class
from emm.predict.encoder import Encoder
from emm.training.store import inputs_of
from tests.automtl.test_network import ARCHITECTURE, WAYS
from tests.export.small import checked, settled, small_encoder
from tests.fusion.conftest import INPUTS, KINDS, OUTPUTS, make_pool, pool_of_kind
from tests.fusion.fused import build, outputs_of, rows
from tests.trees.forest import random_ensemble

pytest.importorskip("onnxruntime")

EXPERTS: dict[str, Any] = {"expert": [6], "tower": [4]}
FUNNEL = ("click", "buy")


def of_tasks(name: str, encoder: Encoder, **arguments: Any) -> nn.Module:
    """A model of all tasks of the encoder."""
    schema = encoder.schema
    given = {"outputs": schema.outputs} if schema.outputs else {}
    knobs = {"embedding_dim": 2, **given, **arguments}
    knobs = {key: value for key, value in knobs.items() if value is not None}
    model: nn.Module = model_class(name)(inputs_of(schema), len(schema.tasks), **knobs)
    return settled(model)


PLAIN: dict[str, dict[str, Any]] = {
    "single_task": {"blocks": [[6]], "tower": [4]},
    "shared_bottom": {"bottom": [6], "tower": [4], "dense_encoding": "piecewise"},
    "mmoe": {**EXPERTS, "experts": 2, "dense_encoding": "binned"},
    "ple": {**EXPERTS, "specific_experts": 1, "shared_experts": 2},
    "aitm": {"bottom": [6], "tower": [4]},
    "adatt": {**EXPERTS, "experts": 2, "shared": True, "gate_bias": True},
    "stem": EXPERTS,
    "cross_stitch": {"bottom": [6, 4], "tower": [4], "units": "hidden"},
    "sluice": {"width": 3, "tower": [4]},
    "home": {**EXPERTS, "dense_encoding": "piecewise"},
    "resflow": {"bottom": [6, 4]},
    "ektm": {"bottom": [6], "tower": [4]},
    "tabm": {"heads": 3, "layers": [6, 4], "dense_encoding": "piecewise"},
    "dcnv2": {"crosses": 2, "rank": 2, "layers": [6]},
    "realmlp": {"layers": [6], "scales": [[0.5, 2.0]] * 3},
    "ft_transformer": {"width": 8, "heads": 2, "embedding_dim": None},
}
FAST = ("ple", "ft_transformer")
"""The architectures with the largest numbers of different operators: the others are slow tests."""


@pytest.mark.parametrize(
    "name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in PLAIN]
)
def test_a_network_predicts_the_same(tmp_path: Path, name: str) -> None:
    encoder = small_encoder(("t0",) if name == "single_task" else ("t0", "t1"))
    found = checked(of_tasks(name, encoder, **PLAIN[name]), encoder, tmp_path)
    assert (found.rows, found.trees) == (40, False)


@pytest.mark.parametrize(
    "way", [w if w == "ours" else pytest.param(w, marks=pytest.mark.slow) for w in WAYS]
)
def test_a_searched_network_predicts_the_same(tmp_path: Path, way: str) -> None:
    encoder = small_encoder()
    chosen = {**ARCHITECTURE, "tasks": ARCHITECTURE["tasks"][:2]}
    model = of_tasks("automtl", encoder, architecture=chosen, tower=[5], **WAYS[way])
    assert checked(model, encoder, tmp_path).rows == 40


def test_bags_classes_and_values_of_regressions_are_the_same(tmp_path: Path) -> None:
    encoder = small_encoder(
        ("t0", "kind", "amount"), classes={"kind": 3}, kinds={"amount": "regression"}, bags=(5, 3)
    )
    model = of_tasks("shared_bottom", encoder, bottom=[6], tower=[])
    assert checked(model, encoder, tmp_path).rows == 40


@pytest.mark.parametrize(
    ("name", "given_click"), [("esmm", False), pytest.param("escm2", True, marks=pytest.mark.slow)]
)
def test_the_steps_of_a_funnel_are_the_same(tmp_path: Path, name: str, given_click: bool) -> None:
    encoder = small_encoder(FUNNEL, funnel=FUNNEL)
    of_data = {"funnel": [0, 1], "fields": encoder.schema.sparse_names, "given_click": given_click}
    model = of_tasks(name, encoder, tower=[4], groups={"user": ["s0", "s2"]}, **of_data)
    assert checked(model, encoder, tmp_path, given_click=given_click).rows == 40


FUSED = [(tasks, kind, variant) for tasks, kind in KINDS for variant in VARIANTS]
OPTIONS: list[dict[str, Any]] = [
    {"constant_gates": True, "merge": False},
    {"own_paths": False, "zero_merge": False, "uniform_gates": False, "projections": "activated"},
]


def check_fused(folder: Path, tasks: int, kind: str, variant: str, **options: Any) -> bool:
    """Check a fused model; whether it has trees."""
    names = [f"t{number}" for number in range(tasks)]
    several = {n: o for n, o in zip(names, OUTPUTS, strict=False) if o > 1 and "classes" in kind}
    encoder = small_encoder(names, classes=several)
    model = settled(build(pool_of_kind(tasks, kind), variant, **options))
    return checked(model, encoder, folder).trees


def test_a_fused_model_with_trees_predicts_the_same(tmp_path: Path) -> None:
    model = settled(build(make_pool(tmp_path, 2, ("odd",), grown=[0]), "aligned"))
    assert checked(model, small_encoder(), tmp_path).trees


def test_trees_and_networks_that_are_not_cut_predict_the_same(tmp_path: Path) -> None:
    model = settled(build(make_pool(tmp_path, 2, (), grown=[0], whole=[1, 0]), "ensemble"))
    assert checked(model, small_encoder(), tmp_path).trees


@pytest.mark.slow
@pytest.mark.parametrize(("tasks", "kind", "variant"), FUSED)
def test_every_fused_model_predicts_the_same(
    tmp_path: Path, tasks: int, kind: str, variant: str
) -> None:
    check_fused(tmp_path, tasks, kind, variant)


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS)
def test_every_option_of_the_aligned_variant_is_the_same(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    check_fused(tmp_path, 2, "mixed", "aligned", **options)


class Fixed(nn.Module):
    """A network that takes the number of rows for a constant."""

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        return dense.sum(dim=1, keepdim=True) * torch.ones(len(sparse), 1)


def test_a_network_that_fixes_the_number_of_rows_is_refused() -> None:
    inputs = inputs_of(small_encoder().schema)
    with pytest.raises(ModelFileError, match="only takes 3 rows at a time"):
        exported(Network(Fixed(), 0), inputs, ["dense", "sparse"], [])


def stacked(pool: Pool) -> nn.Module:
    """A stacked model with a gate and correcting trees of the first task."""
    outputs, tasks = outputs_of(pool), len(pool.tasks)
    counts = [sum(each.task == task for each in pool.members.all) for task in range(tasks)]
    columns = INPUTS.dense + counts[0] * (outputs[0] if outputs else 1)
    given = replace(INPUTS, dense=columns)
    trees = random_ensemble(4, 15, 0, given, outputs[0] if outputs else 1)
    shape = {"gate": True, "residual": trees.sizes(), "others": False}
    model = build(pool, "stacked", stacks=[shape, *[{"gate": False}] * (tasks - 1)])
    assert isinstance(model.fusion, StackedFusion)
    model.fusion.residuals[0].load_state_dict(trees.state_dict())
    for weight in model.fusion.combinations.parameters():
        nn.init.normal_(weight)
    return settled(model)


def test_a_stacked_model_with_correcting_trees_predicts_the_same(tmp_path: Path) -> None:
    model = stacked(make_pool(tmp_path, 2, ("odd",), grown=[0]))
    assert checked(model, small_encoder(), tmp_path).undecided < 4


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["networks", "mixed"])
def test_every_stacked_model_predicts_the_same(tmp_path: Path, kind: str) -> None:
    assert checked(stacked(pool_of_kind(2, kind)), small_encoder(), tmp_path).undecided < 4


def test_rows_next_to_a_split_on_a_logit_are_undecided() -> None:
    model = stacked(pool_of_kind(2, "mixed"))
    assert isinstance(model.fusion, StackedFusion)
    trees = model.fusion.residuals[0]
    seen: list[Tensor] = []
    handle = trees.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model(*rows(20))
    handle.remove()
    split = int((trees.left != torch.arange(len(trees.left))).nonzero()[0])
    trees.column[split], trees.bitset[split] = INPUTS.dense, -1
    trees.threshold[split] = seen[0][7, INPUTS.dense] + 1e-5
    assert undecided_rows(model, rows(20))[7]
