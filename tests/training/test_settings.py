import pytest

from emm.config.binding import bind
from emm.core.errors import ParamsError
from emm.training.settings import PoolSettings, TrainingSettings, positive_weights

TASKS = ("click", "grade", "buy")
KINDS = ("binary", "classes", "binary")


def test_a_bare_protocol_is_that_of_the_paper() -> None:
    training, pool = TrainingSettings(), PoolSettings()
    assert (training.optimiser, training.lr_schedule, training.ema_decay) == (
        "adam",
        "constant",
        0.0,
    )
    assert training.sample_weights is False
    assert (pool.trees, pool.fit_on) == ((), "train")


def test_all_networks_are_members_unless_some_are_named() -> None:
    assert PoolSettings().takes("tm-1")
    assert PoolSettings(networks=("tm-2",)).takes("tm-2")
    assert not PoolSettings(networks=("tm-2",)).takes("tm-1")


def test_each_task_has_its_positive_weight() -> None:
    assert positive_weights({"buy": 3.0}, TASKS, KINDS) == (1.0, 1.0, 3.0)
    assert positive_weights({"buy": 3.0, "grade": 0.5}, TASKS) == (1.0, 0.5, 3.0)


@pytest.mark.parametrize("settings", [{}, {"click": 1.0}])
def test_weights_of_one_are_none(settings: dict[str, float]) -> None:
    assert positive_weights(settings, TASKS, KINDS) == ()


def test_a_positive_weight_of_an_unknown_task_names_the_nearest() -> None:
    with pytest.raises(ParamsError, match="did you mean 'click'") as error:
        positive_weights({"clcik": 2.0}, TASKS, KINDS)
    assert "training.positive_weight" in str(error.value)


def test_only_binary_tasks_have_positive_rows() -> None:
    with pytest.raises(ParamsError, match="grade has no positive rows") as error:
        positive_weights({"grade": 2.0}, TASKS, KINDS)
    assert "got: grade, a task of kind classes" in str(error.value)


@pytest.mark.parametrize("value", [0, -1])
def test_a_positive_weight_is_above_zero(value: float) -> None:
    errors: list[str] = []
    bind(TrainingSettings, {"positive_weight": {"click": value}}, "training", errors)
    assert errors == [f"training.positive_weight.click: got {value}, expected more than 0"]
