import pytest
import torch

from emm.fusion.pool import Pool
from tests.fusion.fused import build, mean_logits, moved, rows, states


@pytest.mark.parametrize("count", [1, 5])
def test_it_is_the_mean_of_the_members_of_each_task(any_pool: Pool, count: int) -> None:
    dense, sparse = rows(count)
    dense = dense.double()
    model = build(any_pool, "ensemble").double().eval()
    torch.testing.assert_close(model(dense, sparse), mean_logits(any_pool, dense, sparse))


def test_it_reads_no_features_and_learns_nothing(any_pool: Pool) -> None:
    model = build(any_pool, "ensemble")
    assert model.front is None
    assert not any(weight.requires_grad for weight in model.parameters())


def test_train_mode_changes_nothing(mixed: Pool) -> None:
    model = build(mixed, "ensemble").eval()
    before, x = states(model), rows(16)
    expected = model(*x)
    assert torch.equal(model.train()(*x), expected)
    assert moved(model, before) == []
