import subprocess
import sys

import pytest
import torchjd.aggregation

from emm.commands.contradictions.models import TORCHJD
from emm.core.errors import ParamsError
from emm.training.weighting import WEIGHTINGS, make_weighting
from emm.training.weighting import torchjd_rule as module

OWN = {rule: {} for rule in WEIGHTINGS if rule not in TORCHJD} | {"fixed": {"weights": [1, 2]}}


def test_torchjd_is_imported_by_its_own_rules_only() -> None:
    """All other rules are made, and none of the packages is loaded; one of its own loads it."""
    lines = [
        "import sys, emm.training.fit",
        "from emm.training.weighting import make_weighting",
        f"for rule, own in {OWN}.items(): make_weighting(2, rule, **own)",
        "print([name for name in ('torchjd', 'cvxpy', 'qpsolvers') if name in sys.modules])",
        "make_weighting(2, 'mgda'); print('torchjd' in sys.modules)",
    ]
    command = [sys.executable, "-c", "\n".join(lines)]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert found.splitlines() == ["[]", "True"]


@pytest.mark.parametrize("rule", TORCHJD)
def test_without_the_package_the_error_says_what_to_install(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> object:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(module, "import_module", missing)
    with pytest.raises(ParamsError, match=r'next: pip install -e "\.\[torchjd\]"'):
        make_weighting(2, rule)


def test_without_its_solver_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind = torchjd.aggregation.CAGradWeighting
    monkeypatch.setattr(kind, "_REQUIRED_DEPS", ["no_such_solver"])
    with pytest.raises(ParamsError, match="no_such_solver"):
        make_weighting(2, "cagrad")
