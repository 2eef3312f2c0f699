"""The plain building blocks and small inputs of `tests.models`, and a case of every structure."""

import pytest
import torch

from emm.nn.inputs import Inputs
from emm.structures.dcnv2 import DCNV2
from emm.structures.ft_transformer import FTTransformer
from emm.structures.realmlp import RealMLP
from emm.structures.tabm import TabM
from tests.models.conftest import INPUTS, _seeded, case, plain, randomise, small

__all__ = ["_seeded", "case", "plain", "small"]

EDGES = ((-0.5, 0.0, 0.7), (0.3,), ())
ENCODED = Inputs(INPUTS.dense, INPUTS.cardinalities, EDGES)
STRUCTURES = {
    TabM: {"heads": 3, "layers": [6, 5], "embedding_dim": 2, "dropout": 0.0},
    DCNV2: {"crosses": 2, "layers": [6, 4], "embedding_dim": 2},
    RealMLP: {"layers": [6, 5], "embedding_dim": 2, "frequencies": 4, "dropout": 0.0}
    | {"scales": [[0.5, 2.0], [0.0, 1.0], [-1.0, 0.3]]},
    FTTransformer: {"width": 8, "heads": 2, "depth": 2, "attention_dropout": 0.0, "dropout": 0.0},
}


@pytest.fixture(params=STRUCTURES, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> type:
    return request.param


@pytest.fixture
def build(kind: type):
    """A structure with random weights in eval mode."""

    def make(tasks: int = 1, **changes: object) -> torch.nn.Module:
        return randomise(kind(INPUTS, tasks, **{**STRUCTURES[kind], **changes})).eval()

    return make
