import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from emm.data.tables.rows import RowTensors
from emm.fusion import fuse as fused
from emm.fusion.emm import EMM
from emm.fusion.pool import Pool
from emm.fusion.settings import Phase, Start
from emm.metrics.ranking import auc
from emm.training.fit import Epoch, Schedule, validation_scores
from emm.training.store import load_model
from tests.fusion.fusing import CONTEXT, numbers, settings, train
from tests.training.tiny import IDENTITY, TASKS, training


def networks_moved(model: EMM, pool: Pool) -> bool:
    return any(
        not torch.equal(value, pool.tensors_of(f"networks.{number}.levels")[key])
        for number, levels in enumerate(model.networks.members)
        for key, value in levels.state_dict().items()
    )


def mean_logits(folder: Path, table: RowTensors) -> Tensor:
    """Mean over the stored models of each task: [N, T]."""
    trees, _ = load_model(folder / "gbdt/seed-0", IDENTITY)
    columns = []
    with torch.inference_mode():
        for number, task in enumerate(TASKS):
            found = [trees(table.dense, table.sparse)[:, number : number + 1]]
            for structure in ("narrow", "wide"):
                model, _ = load_model(folder / structure / "seed-0" / task, IDENTITY)
                found.append(model(table.dense, table.sparse))
            columns.append(torch.stack(found).mean(dim=0))
    return torch.cat(columns, dim=1)


def test_epoch_0_is_the_ensemble_of_the_pool(tmp_path: Path, components: Path) -> None:
    _, run = train(tmp_path, components, settings())
    logits = mean_logits(components.parent, CONTEXT.validation)
    expected = [auc(logits[:, t], CONTEXT.validation.labels[:, t]) for t in range(2)]
    assert numbers(run) == [0, 1, 2]
    assert list(run["epochs"][0]["auc"].values()) == pytest.approx(expected, abs=2e-3)


def test_the_stored_model_has_the_auc_of_the_best_epoch(tmp_path: Path, components: Path) -> None:
    protocol = training(max_epochs=4, patience=9, ema_decay=0.9, lr_schedule="one-cycle")
    model, run = train(tmp_path, components, settings(learning_rate=0.05), protocol=protocol)
    best = run["epochs"][run["best_epoch"]]
    assert best["auc"] == pytest.approx(
        dict(zip(TASKS, validation_scores(model, CONTEXT.validation), strict=True)), abs=2e-3
    )


def test_averaging_weights_does_not_change_trees(
    tmp_path: Path, components: Path, tiny_pool: Pool
) -> None:
    protocol = training(ema_decay=0.9, max_epochs=3, patience=9)
    model, run = train(tmp_path, components, settings(learning_rate=0.1), protocol=protocol)
    assert len(run["epochs"]) > 1
    for number, tree in enumerate(model.trees.members):
        expected = tiny_pool.tensors_of(f"trees.{number}")
        assert all(torch.equal(value, expected[key]) for key, value in tree.state_dict().items())


def test_in_the_first_phase_the_networks_are_frozen(
    tmp_path: Path, components: Path, tiny_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rising(monkeypatch)
    model, run = train(tmp_path, components, settings())
    assert run["best_epoch"] == 2
    assert not networks_moved(model, tiny_pool)


def rising(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every epoch better than the one before, whatever the model predicts."""
    values = iter(n / 1000 for n in range(1000))

    def aucs(*_: object) -> tuple[float, float]:
        value = next(values)
        return value, value

    monkeypatch.setattr("emm.training.fit.validation_scores", aucs)


def test_in_the_second_phase_the_networks_learn_too(
    tmp_path: Path, components: Path, tiny_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rising(monkeypatch)
    how = settings(max_epochs=1, second=Phase(learning_rate=0.001, max_epochs=2))
    model, run = train(tmp_path, components, how)
    assert numbers(run) == [0, 1, 2, 3]
    assert run["best_epoch"] == 3
    assert networks_moved(model, tiny_pool)


Call = tuple[Schedule, tuple[str, ...], list[int], bool]


def test_each_phase_has_its_own_schedule(
    tmp_path: Path, components: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Call] = []

    def record(
        model: EMM,
        _train: RowTensors,
        _validation: RowTensors,
        schedule: Schedule,
        *,
        names: tuple[str, ...],
        history: list[Epoch],
        **_: object,
    ) -> list[Epoch]:
        learns = any(p.requires_grad for p in model.networks.parameters())
        calls.append((schedule, names, [epoch.epoch for epoch in history], learns))
        return [*history, Epoch(len(history), 0.1, (0.5, 0.5))]

    monkeypatch.setattr(fused, "fit", record)
    how = settings(max_epochs=5, second=Phase(learning_rate=0.0005, max_epochs=3))
    train(tmp_path, components, how, protocol=training(optimiser="adamw"))
    (first, *rest_of_first), (second, *rest_of_second) = calls
    assert (first.max_epochs, first.optimisation.learning_rate) == (5, 0.01)
    assert (second.max_epochs, second.optimisation.learning_rate) == (3, 0.0005)
    assert first.optimisation.optimiser == second.optimisation.optimiser == "adamw"
    assert rest_of_first == [("emm",), [0], False]
    assert rest_of_second == [("emm", "second"), [0, 1], True]


def test_by_default_a_phase_has_max_epochs_of_the_recipe(tmp_path: Path, components: Path) -> None:
    protocol = training(max_epochs=3, patience=9)
    _, run = train(tmp_path, components, settings(), protocol=protocol)
    assert numbers(run) == [0, 1, 2, 3]


def test_the_ensemble_trains_nothing(tmp_path: Path, components: Path, tiny_pool: Pool) -> None:
    model, run = train(tmp_path, components, settings(), arguments={"variant": "ensemble"})
    assert (numbers(run), run["best_epoch"]) == ([0], 0)
    assert not networks_moved(model, tiny_pool)
    with torch.inference_mode():
        found = model(CONTEXT.validation.dense, CONTEXT.validation.sparse)
    torch.testing.assert_close(found, mean_logits(components.parent, CONTEXT.validation))


def test_only_the_named_members_are_fused(tmp_path: Path, components: Path) -> None:
    train(tmp_path, components, settings(members=("narrow", "gbdt/t1")))
    _, about = load_model(tmp_path / "seed-0", IDENTITY)
    described = about.arguments["pool"]
    assert [member["name"] for member in described["networks"]] == ["narrow/t0", "narrow/t1"]
    assert [member["name"] for member in described["trees"]] == ["gbdt/t1"]


def test_the_start_settings_are_used(tmp_path: Path, components: Path, tiny_pool: Pool) -> None:
    how = settings(start=Start(networks="fresh"))
    model, _ = train(tmp_path, components, how)
    assert networks_moved(model, tiny_pool)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, components: Path) -> None:
    for name in ("one", "two"):
        train(tmp_path / name, components, settings())
    files = [tmp_path / name / "seed-0/model.safetensors" for name in ("one", "two")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_stored_model_names_its_projections_and_an_older_one_has_linear_ones(
    tmp_path: Path, components: Path
) -> None:
    paper = {"variant": "paper", "embedding_dim": 2}
    model, _ = train(tmp_path, components, settings(max_epochs=1), arguments=paper)
    file = tmp_path / "seed-0/model.json"
    about = json.loads(file.read_text())
    named = about["description"]["arguments"].pop("projections")
    file.write_text(json.dumps(about))
    older, _ = load_model(tmp_path / "seed-0", IDENTITY)
    found = [each.fusion.levels[0].merge.activated for each in (model, older)]
    assert (named, found) == ("activated", [True, False])
