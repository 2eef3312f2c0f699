"""The imports of the stages."""

import subprocess
import sys
from pathlib import Path

import pytest

from emm_dvc.graph import imported_files

ROOT = Path(__file__).parents[2]
WITHOUT_TORCH = ["download", "preprocess", "check_data", "fewshot_download"]
LOADED = """
import runpy, sys
script = sys.argv[1]
sys.argv = [script, "--help"]
try:
    runpy.run_path(script, run_name="__main__")
except SystemExit:
    pass
sys.stderr.write(" ".join({"torch", "sklearn", "scipy", "matplotlib", "dvc"} & {*sys.modules}))
"""


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_a_data_stage_imports_no_model_library(name: str) -> None:
    command = [sys.executable, "-c", LOADED, str(ROOT / "stages" / f"{name}.py")]
    found = subprocess.run(command, capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")
    assert "Usage" in found.stdout


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_no_module_that_a_data_stage_can_import_uses_torch(name: str) -> None:
    """Includes modules that are imported only while the stage runs."""
    files = imported_files(Path("stages", f"{name}.py"), ROOT)
    texts = {file: (ROOT / file).read_text(encoding="utf-8") for file in files}
    assert texts
    assert not [file for file, text in texts.items() if "import torch" in text]
