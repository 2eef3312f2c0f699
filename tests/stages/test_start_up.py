"""The imports of the stages."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from emm_dvc.graph import imported_files

ROOT = Path(__file__).parents[2]

LIGHT = {"annotated_types", "pydantic", "pydantic_core", "rich", "typer", "yaml"}
TABLES = {"numpy", "polars"}
DOWNLOADS = {"backports", "compression", "requests", "urllib3"}
NETWORKS = {*TABLES, "safetensors", "threadpoolctl", "torch"}
PAGES = {*NETWORKS, "jinja2", "matplotlib"}
STARTS_WITH = {
    "download": {*TABLES, *DOWNLOADS},
    "preprocess": TABLES,
    "check_data": TABLES,
    "generate": TABLES,
    "train": NETWORKS,
    "search": NETWORKS,
    "score": NETWORKS,
    "decompose": NETWORKS,
    "evaluate": NETWORKS,
    "export": {*NETWORKS, "jinja2"},
    "truth": NETWORKS,
    "table_study": NETWORKS,
    "regimes": NETWORKS,
    "report": PAGES,
    "report_searched": PAGES,
    "report_study": PAGES,
    "report_tables": PAGES,
    "regimes_page": PAGES,
    "fewshot_download": {*TABLES, *DOWNLOADS, "PIL"},
    "fewshot_prepare": {*NETWORKS, "PIL"},
    "fewshot_train": {*NETWORKS, "PIL"},
    "fewshot_test": {*NETWORKS, "PIL"},
    "fewshot_report": {*PAGES, "PIL"},
}
"""The libraries that a stage imports before it does anything: what all its starts wait for. Others
are imported by the function that needs them."""
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


def test_every_stage_has_its_libraries_in_the_table() -> None:
    assert {*STARTS_WITH} == {file.stem for file in (ROOT / "stages").glob("*.py")}


@pytest.mark.parametrize("name", STARTS_WITH)
def test_a_stage_starts_with_its_libraries_only(name: str) -> None:
    found = libraries_of(ROOT / "stages" / f"{name}.py") - sys.stdlib_module_names
    assert found <= LIGHT | STARTS_WITH[name]


def libraries_of(script: Path) -> set[str]:
    """The packages that a script and the modules that it imports name outside of functions."""
    waiting, seen, found = [script], set[Path](), set[str]()
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        for module in imports_of(file):
            own = [*files_of(module)]
            waiting += own
            if not own:
                found.add(module.partition(".")[0])
    return found - {"emm", "fewshot"}


@cache
def imports_of(file: Path) -> tuple[str, ...]:
    """The modules that importing a file imports."""
    return tuple(at_import(ast.parse(file.read_text(encoding="utf-8")).body))


def at_import(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield from at_import([*node.body, *node.orelse])
        elif isinstance(node, (ast.Try, ast.With, ast.ClassDef)):
            yield from at_import(node.body)


def files_of(module: str) -> Iterator[Path]:
    """The files that importing a module of the project runs: its own, and those of the packages
    around it."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        base = Path(ROOT, "src", *parts[:length])
        yield from (
            file for file in (base / "__init__.py", base.with_suffix(".py")) if file.exists()
        )
