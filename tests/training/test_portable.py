import json
import os
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest

from emm.core import kernels

ROOT = Path(__file__).parents[2]
COMMITTED = Path(__file__).with_name("portable.json")
ENVIRONMENTS = {
    "one thread": {"OMP_NUM_THREADS": "1"},
    # What the libraries would choose on other processors, were it left to them.
    "the newest instructions, four threads": {
        "OMP_NUM_THREADS": "4",
        "POLARS_MAX_THREADS": "4",
        "ATEN_CPU_CAPABILITY": "avx512",
        "MKL_CBWR": "AVX512",
        "OPENBLAS_CORETYPE": "SkylakeX",
    },
}


@cache
def committed() -> dict[str, dict[str, str]]:
    """Hashes of short trainings, and the versions of the libraries that they belong to."""
    found: dict[str, dict[str, str]] = json.loads(COMMITTED.read_text())
    return found


@pytest.mark.skipif(not kernels._has_avx2(), reason="the bits are those of processors with AVX2")
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_short_trainings_have_the_committed_bits(environment: str) -> None:
    here = {name: version(name) for name in committed()["versions"]}
    if here != committed()["versions"]:
        pytest.skip(f"the bits are those of {committed()['versions']}")
    command = [sys.executable, "-m", "tests.training.portable_run"]
    variables = {**os.environ, **ENVIRONMENTS[environment]}
    done = subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == committed()["hashes"]


@pytest.mark.skipif(not kernels._has_avx2(), reason="other processors keep their kernels")
@pytest.mark.parametrize("stage", ["search", "train"])
def test_a_stage_chooses_numpys_kernels_before_it_is_imported(stage: str) -> None:
    code = f"import os, runpy; runpy.run_path('stages/{stage}.py'); print(os.environ.get('{{}}'))"
    command = [sys.executable, "-c", code.format("OPENBLAS_CORETYPE")]
    variables = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    done = subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "Haswell"
