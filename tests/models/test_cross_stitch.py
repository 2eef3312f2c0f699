import pytest
import torch

from emm.models.cross_stitch import CrossStitchNetwork

ARGUMENTS = {"embedding_dim": 2, "bottom": [6, 4], "tower": [3], "dropout": 0.0}


@pytest.mark.parametrize("units", ["layer", "hidden"])
def test_forward_is_the_equation_of_the_paper(units, tasks, case, plain, small):
    """h_t^l = layer_t^l(h'_t^{l-1}), h'_t = sum_s alpha_ts h_s, hidden unit by hidden unit."""
    model = case.prepare(CrossStitchNetwork(small.inputs, tasks, **ARGUMENTS, units=units))
    stitched = [plain.front(model.front, case.dense, case.sparse)] * tasks
    for layer, stitch in zip(model.bottoms[::2], model.bottoms[1::2], strict=True):
        outputs = [plain.chain(layer, x, task) for task, x in enumerate(stitched)]
        stitched = [torch.zeros_like(outputs[0]) for _ in range(tasks)]
        for task in range(tasks):
            for unit in range(outputs[0].shape[1]):
                alpha = stitch.alpha[:, :, unit if units == "hidden" else 0]
                for other in range(tasks):
                    stitched[task][:, unit] += alpha[task, other] * outputs[other][:, unit]
    logits = [plain.chain(model.towers.layers, x, task) for task, x in enumerate(stitched)]
    torch.testing.assert_close(model(case.dense, case.sparse), torch.cat(logits, dim=1))


@pytest.mark.parametrize(("units", "shape"), [("layer", (3, 3, 1)), ("hidden", (3, 3, 6))])
def test_each_network_starts_with_most_of_itself(units, shape, small):
    model = CrossStitchNetwork(small.inputs, 3, **ARGUMENTS, units=units, own=0.8)
    alpha = model.bottoms[1].alpha
    assert alpha.shape == shape
    expected = torch.full((3, 3), 0.1).fill_diagonal_(0.8)
    torch.testing.assert_close(alpha.detach(), expected.unsqueeze(2).expand(shape))


def test_a_single_task_has_all_of_itself(small):
    assert CrossStitchNetwork(small.inputs, 1, **ARGUMENTS).bottoms[1].alpha.tolist() == [[[1.0]]]


def test_networks_that_share_nothing_are_independent(small):
    rows = small.batch(50)
    model = small.settle(CrossStitchNetwork(small.inputs, 2, **ARGUMENTS, own=1.0), *rows)
    model(*rows)[:, 0].sum().backward()
    read = model.bottoms[0][0].weight.grad.flatten(1).any(dim=1)
    assert read.tolist() == [True, False]
