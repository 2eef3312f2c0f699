"""Optimisers of torch that don't import its compiler.

torch marks the methods of its optimisers as not to be compiled, and for that imports the compiler
when the first of them is called: two seconds at the start of every training.
"""

from inspect import unwrap
from typing import Any

import torch
from torch.optim import Optimizer

MARKED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


def eager(kind: type[Optimizer]) -> Any:
    """The optimiser ``kind`` with the methods that torch has wrapped, unwrapped.

    Its steps have the same bits. Steps of the model may be compiled, those of the optimiser not.
    """
    methods: dict[str, Any] = {name: unwrap(getattr(kind, name)) for name in MARKED}
    methods["step"] = torch.no_grad()(unwrap(kind.step))
    return type(kind.__name__, (kind,), methods)


Adam = eager(torch.optim.Adam)
AdamW = eager(torch.optim.AdamW)
SparseAdam = eager(torch.optim.SparseAdam)
