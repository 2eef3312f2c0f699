"""MMoE, PLE and EMM for the rows of `benchmarks.ali_ccp_rows`, and what trains them.

EMM fuses two fresh single-task networks per task: their training would change no time.
"""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from benchmarks.ali_ccp_rows import TASKS
from emm.fusion.build_pool import build_pool
from emm.fusion.emm import EMM
from emm.fusion.settings import Start
from emm.fusion.start import load_pool_into
from emm.fusion.trained_models import TrainedNetwork
from emm.models.mmoe import MMoE
from emm.models.ple import PLE
from emm.models.single_task import SingleTask
from emm.nn.inputs import Inputs
from emm.training.seeds import seed_init

EMBEDDING_DIM = 8
_COMMON: Mapping[str, Any] = {"embedding_dim": EMBEDDING_DIM, "tower": [32], "dropout": 0.0}
SIZES: Mapping[str, Mapping[str, Any]] = {
    "mmoe": {**_COMMON, "experts": 8, "expert": [64]},
    "ple": {**_COMMON, "levels": 2, "specific_experts": 2, "shared_experts": 2, "expert": [64]},
    "emm": {**_COMMON},
}
_BLOCKS = {"tm-1": [[64], [64], [64]], "tm-2": [[128, 64], [128, 64], [128, 64]]}


def build(name: str, inputs: Inputs, seed: int = 0) -> nn.Module:
    """A fresh model on the CPU."""
    seed_init(seed, name)
    return _BUILDERS[name](inputs)


def _emm(inputs: Inputs) -> nn.Module:
    networks = []
    for structure, blocks in _BLOCKS.items():
        arguments = {**_COMMON, "blocks": blocks}
        for number, task in enumerate(TASKS):
            model = SingleTask(inputs, **arguments)
            networks.append(
                TrainedNetwork(
                    f"{structure}/{task}", number, model, "single_task", arguments, "tower", ""
                )
            )
    pool = build_pool(networks, [], inputs, TASKS, "", 0)
    fused = EMM(inputs, len(TASKS), variant="aligned", pool=pool.describe(), **SIZES["emm"])
    load_pool_into(fused, pool, Start())
    return fused


_BUILDERS: Mapping[str, Callable[[Inputs], nn.Module]] = {
    "mmoe": lambda inputs: MMoE(inputs, len(TASKS), **SIZES["mmoe"]),
    "ple": lambda inputs: PLE(inputs, len(TASKS), **SIZES["ple"]),
    "emm": _emm,
}
