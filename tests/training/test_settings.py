from emm.training.settings import PoolSettings, TrainingSettings


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
