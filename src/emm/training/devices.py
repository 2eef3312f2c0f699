"""Where to compute."""

import torch

from emm.core.errors import ParamsError


def resolve_device(name: str) -> torch.device:
    """``auto`` is CUDA when present, else the CPU; raises ParamsError for what isn't there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ParamsError(
            f"the device {name!r} can't be used here",
            where="training.device in params.yaml",
            got=str(error).splitlines()[0],
            expected="auto, cpu, or a CUDA device of this machine such as cuda:0",
            next_step="set training.device to auto",
        ) from error
    return device
