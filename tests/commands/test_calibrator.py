"""`emm check`: AITM's calibrator needs a funnel."""

import pytest

from tests.commands.copies import PAPER, Copy, put
from tests.configuration import CENSUS

ALI = "ali-ccp"


def test_a_calibrator_without_a_funnel_is_refused(copy: Copy) -> None:
    copy.edit(PAPER, put("train.aitm", calibrator_weight=0.3))
    found = copy.faults()
    assert f"aitm compares the steps of a funnel, and {CENSUS} has none" in found
    assert f"{PAPER}.yaml: train.aitm.calibrator_weight\n  got: 0.3\n  expected: 0" in found
    assert f"or declare preprocess.funnel in {copy.params.parent}/conf/{CENSUS}/data.yaml" in found


@pytest.mark.parametrize("keys", [{}, {"calibrator_weight": 0.0}, {"calibrator_weight": None}])
def test_without_a_funnel_there_may_be_no_weight(copy: Copy, keys: dict[str, float]) -> None:
    copy.edit(PAPER, put("train.aitm", **keys))
    copy.check()


def test_with_a_funnel_any_weight_is_accepted(copy: Copy) -> None:
    copy.activate(datasets=[ALI])
    copy.edit(f"{ALI}/paper", put("train.aitm", calibrator_weight=1.0))
    copy.check()
    copy.edit(f"{ALI}/data", lambda tree: tree["preprocess"].pop("funnel"))
    assert f"aitm compares the steps of a funnel, and {ALI} has none" in copy.faults()
