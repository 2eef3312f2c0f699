import torch

from emm.training.seeds import STREAMS, derive, order_generator, seed_init


def test_every_stream_seed_and_name_has_its_own_numbers() -> None:
    seeds = {derive(seed, s, name) for seed in (0, 1) for s in STREAMS for name in ("a", "b")}
    assert len(seeds) == 2 * len(STREAMS) * 2
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_derivation_never_changes() -> None:
    assert derive(0, "init", "mmoe") == 2888439696101988207


def test_first_weights_depend_only_on_seed_and_name() -> None:
    drawn = []
    for name in ("a", "a", "b"):
        torch.rand(3)
        seed_init(0, name)
        drawn.append(torch.rand(4))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_the_order_of_batches_does_not_depend_on_other_draws() -> None:
    first = torch.randperm(10, generator=order_generator(0, torch.device("cpu")))
    torch.rand(3)
    again = torch.randperm(10, generator=order_generator(0, torch.device("cpu")))
    assert torch.equal(first, again)
