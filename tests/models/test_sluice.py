import pytest
import torch

from emm.data.tables.rows import RowTensors
from emm.models.sluice import SluiceNetwork, overlap
from emm.nn.mlp import GroupedLinear
from emm.training.forward import forward_of
from emm.training.weighting import make_weighting

ARGUMENTS = {"embedding_dim": 2, "width": 3, "tower": [3], "dropout": 0.0}


@pytest.mark.parametrize("layers", [1, 3])
def test_forward_is_the_equation_of_the_paper(layers, tasks, case, plain, small):
    """Subspaces A1, A2, B1, B2, ... of a layer are mixed by alpha, the layers of a task by beta."""
    model = case.prepare(SluiceNetwork(small.inputs, tasks, **ARGUMENTS, layers=layers))
    states = [plain.front(model.front, case.dense, case.sparse)] * tasks
    sums = [0.0] * tasks
    for level, (layer, sluice) in enumerate(zip(model.layers, model.sluices, strict=True)):
        outputs = [plain.chain(layer, x, task) for task, x in enumerate(states)]
        subspaces = [half for x in outputs for half in (x[:, :3], x[:, 3:])]
        mixed = [
            sum(sluice.alpha[i, j] * subspace for j, subspace in enumerate(subspaces))
            for i in range(2 * tasks)
        ]
        states = [torch.cat([mixed[2 * t], mixed[2 * t + 1]], dim=1) for t in range(tasks)]
        sums = [each + model.beta[t, level] * states[t] for t, each in enumerate(sums)]
    logits = [plain.chain(model.towers.layers, each, task) for task, each in enumerate(sums)]
    torch.testing.assert_close(model(case.dense, case.sparse), torch.cat(logits, dim=1))


def test_the_overlap_is_the_sum_of_the_squared_products_of_both_subspaces():
    layer = GroupedLinear(2, 5, 6)
    expected = 0.0
    for weight in layer.weight:
        for upper in weight[:3]:
            for lower in weight[3:]:
                expected += torch.dot(upper, lower) ** 2
    torch.testing.assert_close(overlap(layer), expected)


def test_orthogonal_subspaces_do_not_overlap():
    layer = GroupedLinear(1, 4, 4)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(4).unsqueeze(0))
    assert overlap(layer).item() == 0


def test_alpha_and_beta_start_with_a_bias_to_one_source(small):
    model = SluiceNetwork(small.inputs, 2, **ARGUMENTS, layers=3, own=0.7)
    alpha = torch.full((4, 4), 0.1).fill_diagonal_(0.7)
    torch.testing.assert_close(model.sluices[1].alpha.detach(), alpha)
    torch.testing.assert_close(model.beta.detach(), torch.tensor([[0.15, 0.15, 0.7]] * 2))


def test_t_times_the_gradient_is_that_of_the_published_loss(small):
    """The sum of the tasks' losses, and the weighted overlap of all layers."""
    model = SluiceNetwork(small.inputs, 2, **ARGUMENTS, layers=2, orthogonality=0.3).double()
    dense, sparse = small.batch(40)
    labels = torch.randint(0, 2, (40, 2)).double()
    rows = RowTensors(dense.double(), sparse, labels)
    losses = forward_of(model)(rows)
    make_weighting(2).backward(losses.tasks, list(model.parameters()), losses.penalty)
    found = [2 * parameter.grad for parameter in model.parameters()]
    model.zero_grad()
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    logits = model(dense.double(), sparse)
    tasks = sum(loss(logits[:, task], labels[:, task]) for task in range(2))
    (tasks + 0.3 * sum(overlap(layer[0]) for layer in model.layers)).backward()
    for own, parameter in zip(found, model.parameters(), strict=True):
        torch.testing.assert_close(own, parameter.grad)


def test_a_wider_layer_has_two_subspaces_of_the_given_width(small):
    model = SluiceNetwork(small.inputs, 2, **{**ARGUMENTS, "width": 5})
    assert model.layers[0][0].weight.shape[:2] == (2, 10)
