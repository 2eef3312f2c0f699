import pytest
import torch
from torch import Tensor, nn

from emm.core.errors import DataError
from emm.data.batches import Table
from emm.metrics.ranking import auc
from emm.models.mmoe import MMoE
from emm.nn.inputs import Inputs
from emm.nn.losses import multi_task_bce
from emm.training.fit import Epoch, Schedule, best_epoch, fit, predict
from emm.training.seeds import seed_init

INPUTS = Inputs(dense=2, cardinalities=(3,))


def table(rows: int, seed: int) -> Table:
    generator = torch.Generator().manual_seed(seed)
    dense = torch.randn(rows, 2, generator=generator)
    sparse = torch.randint(0, 3, (rows, 1), generator=generator).int()
    noise = torch.randn(rows, 2, generator=generator)
    labels = (dense + noise + (sparse == 1) > 0).byte()
    return Table(dense, sparse, labels)


TRAIN, VALIDATION = table(300, 0), table(200, 1)


def schedule(**changes: float) -> Schedule:
    values = {"learning_rate": 0.01, "weight_decay": 0.0, "batch_size": 64, "max_epochs": 6}
    return Schedule(**{**values, "patience": 3, **changes})


def mmoe(dropout: float = 0.2) -> MMoE:
    seed_init(0)
    knobs = {"embedding_dim": 2, "experts": 2, "expert": [4], "tower": [4], "dropout": dropout}
    return MMoE(INPUTS, 2, **knobs)


class Constant(nn.Module):
    """A model whose validation AUC is a given number each epoch, and that counts its epochs."""

    def __init__(self, aucs: list[float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("epoch", torch.zeros(1))
        self.aucs = aucs

    def train(self, mode: bool = True) -> "Constant":
        if mode:
            self.epoch += 1
        return super().train(mode)

    def forward(self, dense: Tensor, _sparse: Tensor) -> Tensor:
        return dense * self.weight


def run(model: nn.Module, **changes: float) -> list[Epoch]:
    return fit(model, TRAIN, VALIDATION, schedule(**changes), seed=0)


def test_training_learns() -> None:
    history = run(mmoe(), max_epochs=15)
    assert history[-1].train_loss < history[0].train_loss
    assert max(epoch.mean_auc for epoch in history) > 0.75


def test_the_best_epochs_weights_are_restored() -> None:
    model = mmoe()
    history = run(model, learning_rate=0.05, max_epochs=12)
    logits = predict(model, VALIDATION)
    found = tuple(auc(logits[:, t], VALIDATION.labels[:, t]) for t in range(2))
    best = best_epoch(history)
    assert best < len(history)
    assert found == history[best - 1].auc
    assert not model.training


@pytest.mark.parametrize(
    ("aucs", "patience", "epochs", "best"),
    [
        ([0.6, 0.7, 0.65, 0.66, 0.9], 2, 4, 2),
        ([0.6, 0.7, 0.7, 0.7], 2, 4, 2),
        ([0.6, 0.7, 0.8, 0.9], 1, 4, 4),
        ([0.9, 0.1], 1, 2, 1),
    ],
)
def test_it_stops_after_patience_epochs_without_a_better_auc(
    monkeypatch: pytest.MonkeyPatch, aucs: list[float], patience: int, epochs: int, best: int
) -> None:
    values = iter(aucs)
    monkeypatch.setattr("emm.training.fit.validation_aucs", lambda *_: (next(values),))
    model = Constant(aucs).eval()
    history = run(model, max_epochs=len(aucs), patience=patience)
    assert (len(history), best_epoch(history)) == (epochs, best)
    assert model.epoch.item() == best


def test_the_same_seed_gives_the_same_bits() -> None:
    first, again = mmoe(), mmoe()
    assert run(first) == run(again)
    pairs = zip(first.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_another_seed_changes_the_run() -> None:
    first, other = mmoe(), mmoe()
    run(first)
    fit(other, TRAIN, VALIDATION, schedule(), seed=1)
    assert not torch.equal(first.front.table.weight, other.front.table.weight)


def test_what_is_frozen_stays_bit_identical() -> None:
    model = mmoe()
    model.experts.requires_grad_(requires_grad=False)
    before = {k: v.clone() for k, v in model.named_parameters() if not v.requires_grad}
    run(model)
    after = dict(model.named_parameters())
    assert before
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_one_epoch_equals_a_plain_loop_with_plain_adam() -> None:
    model, twin = mmoe(dropout=0.0), mmoe(dropout=0.0)
    history = run(model, max_epochs=1, batch_size=len(TRAIN), weight_decay=0.01)
    optimiser = torch.optim.Adam(twin.parameters(), lr=0.01, weight_decay=0.01)
    loss = multi_task_bce(twin(TRAIN.dense, TRAIN.sparse), TRAIN.labels.float())
    loss.backward()
    optimiser.step()
    assert history[0].train_loss == pytest.approx(loss.item(), rel=1e-5)
    for (name, left), right in zip(model.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(left, right, msg=lambda m, name=name: f"{name}: {m}")


def test_a_models_own_loss_is_used() -> None:
    model = mmoe()
    model.loss = lambda logits, labels: logits.square().mean() * 0 + 7.0
    assert run(model, max_epochs=1)[0].train_loss == pytest.approx(7.0)


def test_a_loss_that_is_no_number_is_an_error() -> None:
    broken = Table(TRAIN.dense * torch.nan, TRAIN.sparse, TRAIN.labels)
    with pytest.raises(DataError, match="loss is not a number"):
        fit(mmoe(), broken, VALIDATION, schedule(), seed=0)


def test_prediction_in_pieces_equals_prediction_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = mmoe().eval()
    whole = predict(model, VALIDATION)
    monkeypatch.setattr("emm.training.fit.EVALUATION_ROWS", 37)
    torch.testing.assert_close(predict(model, VALIDATION), whole)
