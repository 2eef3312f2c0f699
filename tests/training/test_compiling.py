from collections.abc import Callable

import pytest
import torch

from emm.data.tables.rows import RowTensors
from emm.training import compiling
from emm.training.compiling import TIMED, WARM_UP, choose_forward, compiled
from emm.training.fit import fit
from emm.training.forward import Forward, Losses, forward_of
from tests.training.fitting import TRAIN, VALIDATION, mmoe, run, schedule

CPU = torch.device("cpu")
FULL, ODD = TRAIN.part(0, 8), TRAIN.part(0, 3)
DECIDED = 2 * (WARM_UP + TIMED)


class Steps:
    """Plain and compiled steps that take fixed times on a simulated clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, plain: float, faster: float) -> None:
        self.now, self.taken = 0.0, list[str]()
        self.plain, self.faster = self._step("plain", plain), self._step("compiled", faster)
        monkeypatch.setattr(compiling.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(compiling, "_cost", compiling._Cost(10.0))

    def _step(self, name: str, seconds: float) -> Forward:
        def step(_batch: RowTensors) -> Losses:
            self.now += seconds
            self.taken.append(name)
            return Losses(torch.zeros(2))

        return step

    def run(self, choice: str, steps: int, count: int, batch: RowTensors = FULL) -> list[str]:
        """The kind of each of ``count`` steps."""
        chosen = choose_forward(
            self.plain, choice, batch_size=8, steps=steps, device=CPU, make=lambda *_: self.faster
        )
        for _ in range(count):
            chosen(batch)
        return self.taken


def test_never_and_always(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(Steps(monkeypatch, 1, 0.5).run("never", 10**6, 99)) == {"plain"}
    assert set(Steps(monkeypatch, 1, 0.5).run("always", 10**6, 99)) == {"compiled"}


def test_batches_of_another_size_are_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(Steps(monkeypatch, 1, 0.5).run("always", 10**6, 9, ODD)) == {"plain"}


@pytest.mark.parametrize(("steps", "later"), [(2000 + DECIDED, "compiled"), (1500, "plain")])
def test_a_run_that_is_too_short_to_pay_off_is_not_compiled(
    monkeypatch: pytest.MonkeyPatch, steps: int, later: str
) -> None:
    # Plain steps take 10 ms and compiling 10 s: if half is saved, it pays off after 2000 steps.
    taken = Steps(monkeypatch, 0.01, 0.004).run("auto", steps, DECIDED + 9)
    assert taken == ["plain"] * (WARM_UP + TIMED) + [later] * (len(taken) - WARM_UP - TIMED)


def test_slower_compiled_steps_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = Steps(monkeypatch, 0.01, 0.02).run("auto", 10**6, DECIDED + 9)
    assert taken[-9:] == ["plain"] * 9
    assert taken[-10] == "compiled"


def test_the_measured_cost_is_used_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(monkeypatch, 0.01, 0.004)
    steps.run("auto", 10**6, DECIDED + 1)
    assert compiling._cost.seconds == pytest.approx(0.004 * WARM_UP)


def test_without_a_compiler_training_continues_with_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = Steps(monkeypatch, 1, 1)

    def broken(_batch: RowTensors) -> Losses:
        raise RuntimeError("no C++ compiler\nand more")

    steps.faster = broken
    assert steps.run("always", 10**6, 5) == ["plain"] * 5
    assert capsys.readouterr().err == "training continues without compiled steps: no C++ compiler\n"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of what torch.compile imports
def test_compiled_and_plain_training_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within 1e-5 in losses and 1e-4 in logits after four epochs without dropout. Logits use the
    batch's own statistics: the gradient of a bias before batch norm is rounding, which Adam
    enlarges."""
    made: list[Forward] = []

    def traced(plain: Forward, device: torch.device) -> Forward:
        made.append(compiled(plain, device))
        return made[-1]

    take: Callable[..., Forward] = choose_forward
    monkeypatch.setattr(
        "emm.training.fit.choose_forward", lambda *own, **more: take(*own, **more, make=traced)
    )
    plain, other = mmoe(dropout=0.0), mmoe(dropout=0.0)
    history = run(plain, max_epochs=4)
    found = fit(other, TRAIN, VALIDATION, schedule(max_epochs=4, compile="always"), seed=0)
    assert len(made) == 1
    losses = [epoch.train_loss for epoch in history]
    assert [epoch.train_loss for epoch in found] == pytest.approx(losses, abs=1e-5)
    logits, others = (model.train()(*VALIDATION.inputs) for model in (plain, other))
    torch.testing.assert_close(others, logits, atol=1e-4, rtol=0)


def test_bfloat16_leaves_weights_and_losses_in_float32() -> None:
    model = mmoe(dropout=0.0).train()
    exact = forward_of(model)(TRAIN).tasks
    rough = forward_of(model, "bfloat16")(TRAIN).tasks
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, exact)
    torch.testing.assert_close(rough, exact, atol=0.02, rtol=0)
    rough.sum().backward()
    assert {weight.grad.dtype for weight in model.parameters()} == {torch.float32}
