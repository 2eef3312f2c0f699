import os
import sys
from pathlib import Path

import pytest

from emm.core import kernels

CPU = "processor : 0\nflags : fpu {} sse2\nprocessor : 1\nflags : fpu {} sse2\n"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment of its own, and a processor that is asked again."""
    monkeypatch.setattr(os, "environ", {"ATEN_CPU_CAPABILITY": "avx512", "HOME": "/"})
    kernels._has_avx2.cache_clear()


def processor(monkeypatch: pytest.MonkeyPatch, about: str | None) -> None:
    def read(_path: Path, **_how: object) -> str:
        if about is None:
            raise FileNotFoundError
        return about

    monkeypatch.setattr(Path, "read_text", read)


def test_the_kernels_are_those_for_avx2(monkeypatch: pytest.MonkeyPatch) -> None:
    processor(monkeypatch, CPU.format("avx avx2 fma", "avx avx2 fma"))
    kernels.use_portable_kernels()
    assert os.environ["ATEN_CPU_CAPABILITY"] == "avx2"
    assert os.environ["MKL_CBWR"] == "AVX2,STRICT"


@pytest.mark.parametrize("about", [CPU.format("avx", "avx"), "Features : asimd\n", "", None])
def test_a_processor_without_avx2_keeps_its_kernels(
    about: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor(monkeypatch, about)
    kernels.use_portable_kernels()
    assert os.environ["ATEN_CPU_CAPABILITY"] == "avx512"
    assert "MKL_CBWR" not in os.environ


def test_numpy_keeps_its_kernels_once_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    processor(monkeypatch, CPU.format("avx2 fma", "avx2 fma"))
    monkeypatch.setitem(sys.modules, "numpy", os)
    kernels.use_portable_numpy()
    assert "OPENBLAS_CORETYPE" not in os.environ


def test_numpy_has_the_kernels_for_avx2_if_it_is_imported_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processor(monkeypatch, CPU.format("avx2 fma", "avx2 fma"))
    monkeypatch.delitem(sys.modules, "numpy")
    kernels.use_portable_numpy()
    assert os.environ["OPENBLAS_CORETYPE"] == "Haswell"
