"""The device to compute on."""

import os

import torch
from threadpoolctl import threadpool_limits

from emm.core.errors import ParamsError
from emm.core.kernels import use_portable_kernels


def use_device(
    name: str,
    threads: int,
    *,
    portable: bool = False,
    deterministic: bool = False,
    tf32: bool = False,
) -> torch.device:
    """Set up and return the device to compute on, with ``threads`` threads for work on the CPU.

    The last bits of results depend on the number of threads, as it decides how sums are split: that
    is why it is a setting. On one CPU the same seed always gives the same bits; with ``portable``
    all CPUs give the same (`emm.core.kernels`). On CUDA that needs ``deterministic``, which uses
    slower kernels for some operations. With ``tf32``, CUDA multiplies float32 matrices with 10 bits
    of mantissa. Raises ParamsError if the device doesn't exist.
    """
    if portable:
        use_portable_kernels()
    torch.set_num_threads(threads)
    threadpool_limits(threads, user_api="blas")  # of NumPy's matrix products
    if deterministic:
        # cuBLAS needs this before its first call; see torch.use_deterministic_algorithms.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # The same as torch.use_deterministic_algorithms, which also imports the compiler: seconds.
    torch.set_deterministic_debug_mode("error" if deterministic else "default")
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    return device_of_process(resolve_device(name))


def device_of_process(device: torch.device) -> torch.device:
    """The GPU of this process, if several processes share a machine with several GPUs."""
    local = os.environ.get("LOCAL_RANK")
    if local is None or device.type != "cuda" or device.index is not None:
        return device
    gpu = torch.device("cuda", int(local) % torch.cuda.device_count())
    torch.cuda.set_device(gpu)
    return gpu


def resolve_device(name: str) -> torch.device:
    """The device called ``name``; ``auto`` is CUDA if present, else the CPU. Raises ParamsError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ParamsError(
            f"the device {name!r} can't be used here",
            where="training.device of the recipe",
            got=str(error).splitlines()[0],
            expected="auto, cpu, or a CUDA device of this machine such as cuda:0",
            next_step="set training.device to auto",
        ) from error
    return device
