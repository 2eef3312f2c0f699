from math import nan

import pytest
import torch

from emm.models.esmm import ESMM
from emm.nn.losses import task_losses

ARGUMENTS = {"embedding_dim": 2, "tower": [6, 4], "dropout": 0.0}
GROUPS = {"groups": {"user": ["a", "c"]}, "fields": ["a", "b", "c"]}


def expected_logits(model, plain, tasks, funnel, dense, sparse):
    """pCTCVR = pCTR pCVR as a probability; the other tasks' logits are those of their towers."""
    x = plain.front(model.front.front, dense, sparse)
    logits = [plain.chain(model.towers.layers, x, task).squeeze(1) for task in range(tasks)]
    click, conversion = funnel
    logits[conversion] = (logits[click].sigmoid() * logits[conversion].sigmoid()).logit()
    return torch.stack(logits, dim=1)


@pytest.mark.parametrize("funnel", [(0, 1), (1, 0)])
def test_forward_is_the_equation_of_the_paper(tasks, funnel, case, plain, small):
    model = case.prepare(ESMM(small.inputs, tasks, funnel=funnel, **ARGUMENTS))
    expected = expected_logits(model, plain, tasks, funnel, case.dense, case.sparse)
    torch.testing.assert_close(model(case.dense, case.sparse), expected)


def test_a_conversion_is_never_likelier_than_its_click(small):
    model = ESMM(small.inputs, 2, funnel=(1, 0), **ARGUMENTS, **GROUPS).eval()
    with torch.no_grad():
        model.towers.layers[-1].bias.fill_(3.0)
    conversion, click = model(*small.batch(50)).unbind(1)
    assert (conversion <= click).all()


def test_the_losses_are_those_of_ctr_and_ctcvr_over_all_rows(small):
    """L(p_click, y) + L(p_click p_conversion, y and z), eq. 3, row by row."""
    rows = small.batch(4)
    model = small.settle(ESMM(small.inputs, 2, funnel=(0, 1), **ARGUMENTS).double(), *_wide(rows))
    labels = torch.tensor([[0, 0], [1, 0], [1, 1], [0, 0]]).double()
    probabilities = model.towers(model.front(*_wide(rows))).sigmoid()
    losses = [0.0, 0.0]
    for (click, conversion), (y, z) in zip(probabilities.tolist(), labels.tolist(), strict=True):
        for number, (p, truth) in enumerate([(click, y), (click * conversion, y * z)]):
            losses[number] -= torch.tensor(p if truth else 1 - p).log().item() / 4
    found = task_losses(model(*_wide(rows)), labels)
    assert found.tolist() == pytest.approx(losses, rel=1e-5)


def test_a_conversion_that_is_missing_without_a_click_counts_as_none(small):
    model = ESMM(small.inputs, 3, funnel=(2, 0), **ARGUMENTS)
    labels = torch.tensor([[nan, 1.0, 0.0], [nan, nan, 1.0], [1.0, nan, 1.0], [nan, 0.0, nan]])
    expected = torch.tensor([[0.0, 1.0, 0.0], [nan, nan, 1.0], [1.0, nan, 1.0], [nan, 0.0, nan]])
    found = model.complete_labels(labels)
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


def test_with_conversions_given_a_click_it_predicts_their_rate_and_learns_over_all_rows(small):
    rows = small.batch(6)
    model = ESMM(small.inputs, 2, funnel=(0, 1), given_click=True, **ARGUMENTS)
    twin = ESMM(small.inputs, 2, funnel=(0, 1), **ARGUMENTS)
    twin.load_state_dict(model.state_dict())
    assert torch.equal(model.train()(*rows), twin.train()(*rows))
    model.eval()
    assert torch.equal(model(*rows), model.towers(model.front(*rows)))
    assert not torch.equal(model(*rows), twin.eval()(*rows))


def test_the_click_and_the_conversion_are_found_among_the_logits_of_classes(small):
    rows = small.batch(6)
    model = ESMM(small.inputs, 3, funnel=(0, 2), outputs=(1, 3, 1), **ARGUMENTS).eval()
    towers = model.towers(model.front(*rows))
    logits = model(*rows)
    torch.testing.assert_close(
        logits[:, 4].sigmoid(), towers[:, 0].sigmoid() * towers[:, 4].sigmoid()
    )
    assert torch.equal(logits[:, :4], towers[:, :4])


def _wide(rows):
    return rows[0].double(), rows[1]


def test_summed_groups_narrow_the_input_of_the_towers(small):
    model = ESMM(small.inputs, 2, funnel=(0, 1), **ARGUMENTS, **GROUPS)
    assert model.towers.layers[0].weight.shape[2] == small.inputs.dense + 2 * 2
