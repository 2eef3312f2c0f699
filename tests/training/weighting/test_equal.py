import torch
from torch import nn

from emm.training.weighting.equal import Equal


def test_it_is_bit_identical_to_the_plain_mean() -> None:
    torch.manual_seed(0)
    model, rows = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)), torch.randn(11, 5)
    parameters = list(model.parameters())
    penalty = 0.1 * model[0].weight.square().sum()
    Equal(3).backward(model(rows).square().mean(dim=0), parameters, penalty)
    found = [parameter.grad.clone() for parameter in parameters]
    model.zero_grad()
    (model(rows).square().mean(dim=0).mean() + 0.1 * model[0].weight.square().sum()).backward()
    assert all(torch.equal(a, b.grad) for a, b in zip(found, parameters, strict=True))
