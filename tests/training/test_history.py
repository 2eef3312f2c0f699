import json
from pathlib import Path

from emm.training.fit import Epoch
from emm.training.history import named_scores, run_record, write_history

EPOCHS = [Epoch(1, 0.5, (0.6, 0.1)), Epoch(2, 0.4, (0.7, 0.2))]


def test_binary_tasks_have_only_an_auc() -> None:
    assert named_scores(["a", "b"], [0.6, 0.7]) == {"auc": {"a": 0.6, "b": 0.7}}


def test_regressions_have_an_r_squared() -> None:
    found = named_scores(["a", "b"], [0.6, -2.0], ["binary", "regression"])
    assert found == {"auc": {"a": 0.6}, "r2": {"b": -2.0}}
    assert named_scores(["b"], [0.3], ["regression"]) == {"auc": {}, "r2": {"b": 0.3}}


def test_tasks_of_classes_have_an_auc() -> None:
    kinds = ["classes", "regression"]
    assert named_scores(["a", "b"], [0.6, 0.2], kinds) == {"auc": {"a": 0.6}, "r2": {"b": 0.2}}
    assert named_scores(["a"], [0.6], ["classes"]) == {"auc": {"a": 0.6}}


def test_a_run_is_written_with_all_its_epochs(tmp_path: Path) -> None:
    record = run_record(3, ["a", "b"], EPOCHS, kinds=("binary", "regression"))
    write_history(tmp_path, [record])
    (run,) = json.loads((tmp_path / "history.json").read_text())["runs"]
    assert (run["seed"], run["task"], run["best_epoch"]) == (3, None, 2)
    assert run["epochs"][1] == {"epoch": 2, "train_loss": 0.4, "auc": {"a": 0.7}, "r2": {"b": 0.2}}
