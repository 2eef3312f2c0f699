"""Training of funnel models on conversions that are known with a click only."""

import pytest
import torch
from sklearn.metrics import roc_auc_score

from emm.nn.losses import task_losses
from emm.training.fit import fit, validation_scores
from emm.training.forward import forward_of
from tests.training.fitting import schedule
from tests.training.partly import TRAIN, VALIDATION, network


def test_esmm_learns_from_conversions_that_are_missing_without_a_click() -> None:
    """The same bits as with the label 0."""
    filled = TRAIN.labels.clone()
    filled[(filled[:, 0] == 0) & filled[:, 3].isnan(), 3] = 0.0
    assert int(filled[:, 3].isnan().sum()) < int(TRAIN.labels[:, 3].isnan().sum())
    for name in ("esmm", "escm2"):
        found = []
        for rows in (TRAIN, TRAIN.with_labels(filled)):
            model = network(name)
            epochs = fit(model, rows, VALIDATION, schedule(max_epochs=2), seed=0)
            found.append((epochs, model.state_dict()))
        assert found[0][0] == found[1][0]
        assert all(torch.equal(found[0][1][key], value) for key, value in found[1][1].items())


def test_other_models_leave_such_conversions_out() -> None:
    model = network("mmoe")
    losses = forward_of(model.eval())(TRAIN)
    rows = TRAIN.task(3)
    own = task_losses(model(rows.dense, rows.sparse)[:, 5:], rows.labels.float())
    torch.testing.assert_close(losses.tasks[3:], own)


@pytest.mark.parametrize("name", ["esmm", "escm2"])
def test_a_model_of_conversions_given_a_click_is_scored_by_their_rate(name: str) -> None:
    model = network(name, given_click=True).eval()
    rows = VALIDATION.task(3)
    towers = model.towers(model.front(rows.dense, rows.sparse))
    expected = roc_auc_score(rows.labels[:, 0], towers[:, 5].detach())
    assert validation_scores(model, VALIDATION)[3] == pytest.approx(expected)
