"""Rows with missing labels of four tasks: a click, a class of three, a number, and a conversion."""

from collections.abc import Mapping
from dataclasses import replace
from math import nan
from typing import Any

import torch
from torch import Tensor, nn

from emm.data.tables.rows import RowTensors
from emm.data.tables.schema import Schema, Split
from emm.models import model_class
from emm.nn.inputs import Inputs
from emm.training.context import TrainingContext
from emm.training.seeds import seed_init
from emm.training.store import inputs_of
from tests.training import tiny

INPUTS = Inputs(dense=2, cardinalities=(3,))
KINDS, OUTPUTS = ("binary", "classes", "regression", "binary"), (1, 3, 1, 1)
FUNNEL = (0, 3)
TASKS = ("click", "grade", "number", "conversion")
ARCHITECTURE: Mapping[str, Any] = {
    "width": 4,
    "levels": [
        [
            {"operators": ["mlp-16"], "fields": [0, 1, 2], "interactions": [0, 1, 2]},
            {"operators": ["identity"], "fields": [2]},
        ]
    ],
    "tasks": [[0, 1], [0], [0], [0, 1]],
}
EXPERTS: Mapping[str, Any] = {"expert": [4], "tower": [4]}
NETWORKS: Mapping[str, Mapping[str, Any]] = {
    "single_task": {"blocks": [[6, 4]], "tower": [4]},
    "tabm": {"heads": 3, "layers": [5], "kinds": KINDS},
    "dcnv2": {"crosses": 2, "layers": [5]},
    "realmlp": {"layers": [5], "scales": [[0.1, 1.0], [0.0, 0.5]]},
    "ft_transformer": {"width": 8, "heads": 2, "attention_dropout": 0.0},
    "shared_bottom": {"bottom": [6], "tower": [4]},
    "mmoe": {**EXPERTS, "experts": 2},
    "ple": EXPERTS,
    "aitm": {"bottom": [6], "tower": [4], "funnel": FUNNEL},
    "adatt": {**EXPERTS, "experts": 2},
    "stem": EXPERTS,
    "cross_stitch": {"bottom": [6], "tower": [4]},
    "sluice": {"width": 3, "tower": [4], "orthogonality": 0.1},
    "home": {**EXPERTS, "groups": {"shop": ["click", "conversion"]}, "task_names": TASKS},
    "resflow": {"bottom": [6], "funnel": FUNNEL, "kinds": KINDS},
    "ektm": {"bottom": [6], "tower": [4], "funnel": FUNNEL},
    "esmm": {"tower": [6], "funnel": FUNNEL},
    "escm2": {"tower": [6], "funnel": FUNNEL},
    "automtl": {"tower": [4], "architecture": ARCHITECTURE},
}


def complete_table(rows: int, seed: int) -> RowTensors:
    """Rows without a missing label."""
    generator = torch.Generator().manual_seed(seed)
    dense = torch.randn(rows, 2, generator=generator)
    sparse = torch.randint(0, 3, (rows, 1), generator=generator).int()
    noise = torch.randn(rows, 4, generator=generator) / 2
    click = (dense[:, 0] + noise[:, 0] > -0.3).float()
    grade = (dense[:, 1] + noise[:, 1] + sparse[:, 0]).round().clamp(0, 2)
    number = dense.sum(dim=1) + noise[:, 2]
    conversion = click * (dense[:, 1] + noise[:, 3] > 0)
    labels = torch.stack([click, grade, number, conversion], dim=1)
    return RowTensors(dense, sparse, labels, kinds=KINDS, outputs=OUTPUTS)


def partly(rows: RowTensors, labels: Tensor) -> RowTensors:
    return replace(rows, labels=labels, partly_labelled=True)


def table(rows: int, seed: int) -> RowTensors:
    """The same rows; no row has all labels, each has one, and a conversion is known with a click
    only."""
    whole = complete_table(rows, seed)
    numbers = torch.arange(rows)
    missing = torch.stack(
        [numbers % 5 == 0, numbers % 2 == 0, numbers % 3 < 2, whole.labels[:, 0] != 1], dim=1
    )
    missing[:, 2] &= numbers % 10 != 0
    labels = whole.labels.masked_fill(missing, nan)
    labels[:, 3] = labels[:, 3].masked_fill(labels[:, 0].isnan(), nan)
    return partly(whole, labels)


TRAIN, VALIDATION = table(300, 0), table(200, 1)


LABELLED = {name: int((~TRAIN.labels[:, n].isnan()).sum()) for n, name in enumerate(TASKS)}
SCHEMA: Schema = replace(
    tiny.SCHEMA,
    tasks=TASKS,
    sparse=(replace(tiny.SCHEMA.sparse[0], cardinality=3),),
    kinds=dict(zip(TASKS, KINDS, strict=True)),
    classes={"grade": ("low", "middle", "high")},
    splits={"train": Split(len(TRAIN), {}, labelled=LABELLED)},
)
CONTEXT = TrainingContext(
    schema=SCHEMA,
    schema_sha256=tiny.IDENTITY,
    inputs=inputs_of(SCHEMA),
    train=TRAIN,
    validation=VALIDATION,
    device=torch.device("cpu"),
    recipe="tuned",
)


def network(name: str, seed: int = 0, **changes: Any) -> nn.Module:
    """A model of `NETWORKS` with the first weights of ``seed``."""
    seed_init(seed)
    common = {} if name == "ft_transformer" else {"embedding_dim": 2}
    arguments = {**common, "dropout": 0.0, **NETWORKS[name], "outputs": OUTPUTS}
    made: nn.Module = model_class(name)(INPUTS, 4, **{**arguments, **changes})
    return made
