"""Where to compute."""

import os

import torch

from emm.core.errors import ParamsError


def use_device(
    name: str, threads: int, *, deterministic: bool = False, tf32: bool = False
) -> torch.device:
    """The device to compute on, with ``threads`` processor threads for work on the CPU.

    Results depend on the number of threads in their last bits, as sums are cut differently: it is
    set and not found out. On the CPU the same seed always gives the same bits; on CUDA only if
    ``deterministic``, for which slower kernels are taken where there are two. With ``tf32``, CUDA
    multiplies matrices of float32 with 10 bits of mantissa. Raises ParamsError for a device that
    isn't there.
    """
    torch.set_num_threads(threads)
    if deterministic:
        # cuBLAS asks for this before its first call; see torch.use_deterministic_algorithms.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    return own_device(resolve_device(name))


def own_device(device: torch.device) -> torch.device:
    """Of several processes' on a machine with several GPUs, this one's."""
    local = os.environ.get("LOCAL_RANK")
    if local is None or device.type != "cuda" or device.index is not None:
        return device
    own = torch.device("cuda", int(local) % torch.cuda.device_count())
    torch.cuda.set_device(own)
    return own


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
