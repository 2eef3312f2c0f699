"""Where to compute."""

import torch

from emm.core.errors import ParamsError


def use_device(name: str, threads: int) -> torch.device:
    """The device to compute on, with ``threads`` processor threads for work on the CPU.

    Results depend on the number of threads in their last bits, as sums are cut differently: it is
    set and not found out. Raises ParamsError for a device that isn't there.
    """
    torch.set_num_threads(threads)
    return resolve_device(name)


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
