"""The README's example runs, and fusing its models pays."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/quickstart.py"
LINE = re.compile(r"(\w+): (\w+) AUC (0\.\d+)")


def test_the_readme_shows_the_example() -> None:
    _, code = EXAMPLE.read_text(encoding="utf-8").split('"""\n\n', 1)
    assert f"```python\n{code}```" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert len([line for line in code.splitlines() if line]) <= 15


def test_the_fused_model_is_as_good_as_its_members_and_better_on_purchases(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    runpy.run_path(str(EXAMPLE))
    found = LINE.findall(capsys.readouterr().out)
    auc = {(model, task): float(value) for model, task, value in found}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = {(model, task): float(value) for model, task, value in LINE.findall(readme)}
    assert shown == pytest.approx(auc, abs=0.02)
    # By the processor it runs on, the click's AUC varies by about 0.01.
    assert auc["fused", "click"] > auc["click", "click"] - 0.02
    assert auc["fused", "purchase"] > max(auc["purchase", "purchase"], auc["trees", "purchase"])
