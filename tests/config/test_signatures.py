"""Signatures of models that are read from their source."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from emm.commands.check import SUPERNET
from emm.config import signatures
from emm.config.binding import Count, Share
from emm.config.signatures import REQUIRED, keywords_of
from emm.models import MODELS
from tests.configuration import copy_conf, edit

MAIN = "from emm.commands.cli import main"
HEAVY = """
import sys
{start}
try:
    {run}
except SystemExit as end:
    assert not end.code, end.code
heavy = {{"torch", "polars", "sklearn", "matplotlib", "dvc"}} & set(sys.modules)
sys.exit(", ".join(heavy) or None)
"""


@pytest.mark.parametrize("target", [*MODELS.values(), SUPERNET])
def test_the_source_of_every_model_gives_its_signature(target: str) -> None:
    module, _, name = target.partition(":")
    imported = keywords_of(getattr(import_module(module), name))
    read = signatures._from_source(target)
    assert list(read) == list(imported)
    assert {key: repr(value) for key, value in read.items()} == {
        key: repr(value) for key, value in imported.items()
    }


def test_reading_signatures_loads_no_heavy_library() -> None:
    targets = [*MODELS.values(), SUPERNET]
    start = "from emm.config.signatures import keywords_of"
    code = HEAVY.format(start=start, run=f"[keywords_of(target) for target in {targets}]")
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that can be imported as the module ``somewhere``; other names are in ``other``."""
    monkeypatch.syspath_prepend(tmp_path)
    signatures._from_source.cache_clear()
    for name in ("somewhere", "other"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "other.py").write_text("raise SystemExit('imported')\n")
    return tmp_path / "somewhere.py"


LIGHT = """
from collections.abc import Sequence
from typing import Literal

import other
from emm.config.binding import Count as Whole

Kind = Literal["a", "b"]
SIZES = (2, -3)


class Model(other.Module):
    def __init__(
        self,
        inputs: other.Inputs,
        *,
        kind: Kind = "a",
        count: Whole,
        sizes: Sequence[int | None] = SIZES,
        names: dict[str, tuple[float, ...]] | None = None,
        plain=[1.5],
    ) -> None:
        self.kind = kind
"""


def test_a_module_is_not_imported_where_its_annotations_are_light(module: Path) -> None:
    module.write_text(LIGHT)
    found = keywords_of("somewhere:Model")
    assert {name: default for name, (_, default) in found.items()} == {
        "kind": "a",
        "count": REQUIRED,
        "sizes": (2, -3),
        "names": None,
        "plain": [1.5],
    }
    assert found["count"][0] == Count
    assert found["plain"][0] is Any
    assert str(found["sizes"][0]) == "collections.abc.Sequence[int | None]"
    assert "somewhere" not in sys.modules


@pytest.mark.parametrize(
    "text",
    [
        "class Model:\n    def __init__(self, *, rate: 'Share' = 0.5) -> None: ...\n",
        "class Model:\n    def __init__(self, *, rate: Share = len([1]) / 2) -> None: ...\n",
        "class Base:\n    def __init__(self, *, rate: Share = 0.5) -> None: ...\n\n\n"
        "class Model(Base): ...\n",
        "def make():\n    class Model:\n        def __init__(self, *, rate: Share = 0.5): ...\n\n"
        "    return Model\n\n\nModel = make()\n",
        "if True:\n    RATE = 0.5\n\n\n"
        "class Model:\n    def __init__(self, *, rate: Share = RATE): ...\n",
    ],
    ids=["annotation as text", "computed default", "inherited", "made by a function", "nested"],
)
def test_a_module_is_imported_where_its_source_is_not_enough(module: Path, text: str) -> None:
    module.write_text(f"from emm.config.binding import Share\n\n\n{text}")
    assert keywords_of("somewhere:Model") == {"rate": (Share, 0.5)}


def test_check_loads_no_heavy_library(tmp_path: Path) -> None:
    """Also with a searched model, whose supernet isn't in the registry."""
    root = Path(__file__).parents[2]
    params = copy_conf(tmp_path)
    (tmp_path / "dvc.yaml").write_text((root / "dvc.yaml").read_text())
    edit(params, lambda tree: tree.update(searched=["automtl"], images=["omniglot"]))
    code = HEAVY.format(start=MAIN, run="sys.argv = ['emm', 'check']; main()")
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert found.stderr == "params.yaml, conf/ and dvc.yaml are in order\n"
