"""What may learn on which rows: out of fold, nothing that reads hidden units."""

from typing import Any

import pytest

from emm.fusion.rules import fused_faults, rows_of
from emm.fusion.settings import FusedSettings, Phase, Start
from tests.fusion.fusing import settings
from tests.training.tiny import fusion

GATES = {"variant": "aligned", "merge": False}
FROZEN = Start(towers="frozen")


def faults(fit_on: str, how: FusedSettings, **arguments: Any) -> list[str]:
    return [str(e) for e in fused_faults("train.emm", fusion(fit_on), how, arguments, "tuned.yaml")]


@pytest.mark.parametrize(
    ("fit_on", "own", "expected"),
    [
        ("out-of-fold", None, "out-of-fold"),
        ("held-out", None, "held-out"),
        ("out-of-fold", "train", "train"),
        ("held-out", "train", "train"),
    ],
)
def test_a_models_own_rows_come_first(fit_on: str, own: str | None, expected: str) -> None:
    assert rows_of(fusion(fit_on), settings(fit_on=own)) == expected


@pytest.mark.parametrize(
    ("how", "arguments"),
    [
        (settings(start=FROZEN), GATES),
        (settings(start=FROZEN), {**GATES, "constant_gates": True}),
        (settings(start=FROZEN), {**GATES, "uniform_gates": False}),
        (settings(), {"variant": "ensemble"}),
    ],
    ids=str,
)
def test_out_of_fold_gates_can_learn(how: FusedSettings, arguments: dict[str, Any]) -> None:
    assert faults("out-of-fold", how, **arguments) == []


SEEN = [
    (settings(), {"variant": "paper"}, "variant: paper"),
    (settings(start=FROZEN), {"variant": "aligned"}, "merge: true"),
    (settings(start=FROZEN), {**GATES, "own_paths": False}, "own_paths: false"),
    (settings(), GATES, "start.towers: trained"),
    (settings(start=Start(towers="fresh")), GATES, "start.towers: fresh"),
    (
        settings(start=Start(networks="fresh", towers="fresh")),
        GATES,
        "start.networks: fresh, start.towers: fresh",
    ),
    (
        settings(start=Start(embeddings="fresh", towers="frozen")),
        GATES,
        "start.embeddings: fresh",
    ),
    (settings(start=FROZEN, second=Phase(0.001, 1)), GATES, "second: a phase"),
    (settings(second=Phase(0.001, 1)), {"variant": "ensemble"}, "second: a phase"),
    (
        settings(start=Start(embeddings="fresh")),
        {"variant": "ensemble"},
        "start.embeddings: fresh",
    ),
]


@pytest.mark.parametrize(("how", "arguments", "got"), SEEN, ids=[each[2] for each in SEEN])
def test_out_of_fold_nothing_else_can(
    how: FusedSettings, arguments: dict[str, Any], got: str
) -> None:
    (fault,) = faults("out-of-fold", how, **arguments)
    assert f"where: tuned.yaml: train.emm\n  got: {got}\n" in fault
    assert "write `fit_on: train` in train.emm" in fault
    assert "`fit_on: held-out` in fusion" in fault


@pytest.mark.parametrize(("how", "arguments", "got"), SEEN, ids=[each[2] for each in SEEN])
def test_on_other_rows_everything_can_learn(
    how: FusedSettings, arguments: dict[str, Any], got: str
) -> None:
    del got
    for fit_on in ("train", "held-out"):
        assert faults(fit_on, how, **arguments) == []


def test_what_is_expected_is_in_the_words_of_a_recipe() -> None:
    (fault,) = faults("out-of-fold", settings(), variant="aligned")
    assert "got: start.towers: trained, merge: true\n" in fault
    assert "expected: start.towers: frozen, merge: false\n" in fault


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        ({"variant": "aligned", "projections": "activated"}, True),
        ({"variant": "aligned", "projections": "linear-no-bias"}, False),
        ({"variant": "aligned", "projections": "activated", "merge": False}, False),
        ({"variant": "aligned", "projections": "activated", "zero_merge": False}, False),
        ({"variant": "paper", "projections": "activated"}, False),
        ({"variant": "aligned"}, False),
    ],
    ids=str,
)
def test_a_merge_that_could_never_learn_is_refused(
    arguments: dict[str, Any], refused: bool
) -> None:
    found = faults("train", settings(), **arguments)
    assert [message.split("\n")[0] for message in found] == (
        ["a merge whose V starts at zero behind ReLU never learns"] if refused else []
    )
