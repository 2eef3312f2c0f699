from typing import Any

import pytest
import torch

from emm.core.errors import ParamsError
from emm.nn.embedding import EmbeddingTable
from emm.training.optimisers import Optimisation, Stepper
from tests.training.fitting import mmoe, run

ALL_ROWS = torch.tensor([[0, 0], [1, 1], [2, 0], [0, 1]])  # every row of both fields


def table() -> EmbeddingTable:
    torch.manual_seed(0)
    return EmbeddingTable([3, 2], 4)


def stepper(model: torch.nn.Module, **changes: Any) -> Stepper:
    how = {"learning_rate": 0.05, "weight_decay": 0.0, "optimiser": "lazy-adam", **changes}
    return Stepper(model, [], Optimisation(**how), 20)


def steps(
    model: EmbeddingTable, moving: Stepper, batches: list[torch.Tensor], first: int = 0
) -> torch.Tensor:
    for number, sparse in enumerate(batches, start=first):
        moving.zero_grad()
        (model(sparse) - number).square().mean().backward()
        moving.step()
    return model.weight.detach()


def test_lazy_adam_equals_adam_if_every_batch_contains_every_row() -> None:
    lazy, plain = table(), table()
    found = steps(lazy, stepper(lazy), [ALL_ROWS] * 8)
    expected = steps(plain, stepper(plain, optimiser="adam"), [ALL_ROWS] * 8)
    # One adds epsilon before the bias correction, the other after it.
    torch.testing.assert_close(found, expected, atol=5e-4, rtol=0)


def test_rows_missing_from_the_batch_do_not_change() -> None:
    model = table()
    moving = stepper(model, weight_decay=0.1)
    steps(model, moving, [ALL_ROWS] * 3)  # with moments, which would move them on
    before = model.weight.detach().clone()
    after = steps(model, moving, [torch.tensor([[1, 0]])])
    assert (after != before).any(dim=1).tolist() == [False, True, False, True, False]


def test_it_continues_from_its_state() -> None:
    whole, half, other = table(), table(), table()
    batches = [ALL_ROWS[:2], ALL_ROWS, ALL_ROWS[1:], ALL_ROWS[2:], ALL_ROWS]
    expected = steps(whole, stepper(whole, lr_schedule="one-cycle"), [*batches, *batches])
    moving, again = stepper(half, lr_schedule="one-cycle"), stepper(other, lr_schedule="one-cycle")
    steps(half, moving, batches)
    other.load_state_dict(half.state_dict())
    again.load(*moving.state())
    assert torch.equal(steps(other, again, batches, first=len(batches)), expected)


def test_a_model_learns_with_lazy_adam() -> None:
    history = run(mmoe(), max_epochs=15, optimiser="lazy-adam")
    assert max(epoch.mean_score for epoch in history) > 0.75


@pytest.mark.parametrize("rule", ["pcgrad", "gradnorm", "mgda", "nash-mtl"])
def test_rules_that_compare_whole_gradients_are_rejected(rule: str) -> None:
    with pytest.raises(ParamsError, match="compares whole gradients"):
        run(mmoe(), optimiser="lazy-adam", weighting={"rule": rule})
