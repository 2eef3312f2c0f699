"""Which kernels the libraries use, so that results have the same bits on every processor.

A library chooses its kernels by the processor's instructions, and MKL also by the sizes of its
caches: products and sums are then split in other ways, and their last bits differ. Here all use
those for AVX2, which every x86-64 processor of the last ten years has. MKL's mode for reproducible
results also fixes the cache sizes that it assumes; its results don't depend on the alignment of
arrays either if they are ``STRICT``.
"""

import os
import sys
from functools import cache
from pathlib import Path

_OF_TORCH = {
    "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch's own kernels
    "MKL_CBWR": "AVX2,STRICT",  # matrix products, exponentials and logarithms
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # convolutions and some activations
}
_OF_NUMPY = {
    "OPENBLAS_CORETYPE": "Haswell",
    # Its kernels for AVX-512; those for AVX2 are X86_V3.
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}


def use_portable_kernels() -> None:
    """Choose PyTorch's kernels and those of its libraries: the same on every processor.

    Has an effect until the first computation. Processors without AVX2 keep their own kernels.
    """
    if _has_avx2():
        os.environ.update(_OF_TORCH)


def use_portable_numpy() -> None:
    """Choose NumPy's kernels and those of its matrix products: the same on every processor.

    Has an effect until NumPy is imported. They are little of what a stage computes, so that their
    speed doesn't count.
    """
    if "numpy" not in sys.modules and _has_avx2():
        os.environ.update(_OF_NUMPY)


@cache
def _has_avx2() -> bool:
    """Whether Linux says that this is an x86-64 processor with AVX2 and FMA."""
    try:
        about = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return any(
        {"avx2", "fma"} <= {*line.split()} for line in about.splitlines() if line[:5] == "flags"
    )
