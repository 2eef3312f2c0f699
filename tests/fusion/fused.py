"""Fused models of small pools, rows for them, and the predictions of single members."""

import torch
from torch import Tensor, nn

from emm.fusion.emm import EMM
from emm.fusion.layout import Lift
from emm.fusion.pool import Pool
from emm.fusion.settings import Start
from emm.fusion.start import load_pool_into
from emm.trees.forest import TreeEnsemble
from tests.fusion.conftest import INPUTS

KNOBS = {"embedding_dim": 2, "tower": [4], "dropout": 0.0}


def build(
    pool: Pool, variant: str = "aligned", start: Start | None = None, **settings: object
) -> EMM:
    """A fused model with the weights of its pool."""
    torch.manual_seed(1)
    knobs = {**KNOBS, "outputs": outputs_of(pool), **settings}
    model = EMM(INPUTS, len(pool.tasks), variant=variant, pool=pool.describe(), **knobs)
    load_pool_into(model, pool, start or Start())
    return model


def outputs_of(pool: Pool) -> tuple[int, ...]:
    """Number of logits of each task, () if all have one, by its members."""
    found = [1] * len(pool.tasks)
    for network in pool.members.networks:
        found[network.task] = network.arguments.get("outputs", [1])[0]
    for trees in pool.members.trees:
        found[trees.task] = trees.sizes.get("outputs", 1)
    for whole in pool.members.whole:
        found[whole.task] = whole.arguments.get("outputs", [1])[0]
    return () if set(found) == {1} else tuple(found)


def rows(count: int) -> tuple[Tensor, Tensor]:
    """dense [B, D], sparse [B, F]."""
    generator = torch.Generator().manual_seed(count)
    sparse = [torch.randint(0, c, (count,), generator=generator) for c in INPUTS.cardinalities]
    dense = torch.rand(count, INPUTS.dense, generator=generator)
    return 3 * dense - 1, torch.stack(sparse, 1).int()


def step(model: EMM, count: int = 16, rate: float = 0.01) -> None:
    """One optimiser step on random labels; gradients are kept."""
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.Adam(learning, lr=rate)
    logits = model.train()(*rows(count))
    labels = torch.randint(0, 2, logits.shape, generator=torch.Generator().manual_seed(0))
    model.zero_grad()
    nn.functional.binary_cross_entropy_with_logits(logits, labels.float()).backward()
    optimiser.step()


def without_gradient(model: EMM) -> list[str]:
    """Names of trainable weights without a gradient.

    Gates without a choice are left out: with two tasks there is only one partner, and a gate over a
    single member always selects it.
    """
    counts = model.fusion.layout.counts
    fixed = [f"gates.{task}." for task, count in enumerate(counts) if count == 1]
    fixed += ["selection."] if len(counts) == 2 else []
    return [
        name
        for name, weight in model.named_parameters()
        if weight.requires_grad
        and (weight.grad is None or not weight.grad.any())
        and not any(part in name for part in fixed)
    ]


def states(module: nn.Module) -> dict[str, Tensor]:
    """A copy of a module's weights and statistics."""
    return {key: value.clone() for key, value in module.state_dict().items()}


def moved(module: nn.Module, before: dict[str, Tensor]) -> list[str]:
    """Names of weights and statistics that differ from ``before``."""
    after = module.state_dict()
    assert after.keys() == before.keys()
    return [key for key, value in after.items() if not torch.equal(value, before[key])]


def of_task(pool: Pool, kind: str, task: int) -> list[int]:
    """Numbers of the ``networks``, ``trees`` or others of one task."""
    return [n for n, member in enumerate(getattr(pool.members, kind)) if member.task == task]


def ensemble(pool: Pool, number: int) -> TreeEnsemble:
    """One tree ensemble of the pool."""
    model = TreeEnsemble(INPUTS, **pool.members.trees[number].sizes)
    model.load_state_dict(pool.tensors_of(f"trees.{number}"))
    return model


def member_logits(pool: Pool, dense: Tensor, sparse: Tensor) -> list[Tensor]:
    """The logits of each task's members [B, M, C], networks first."""
    found = []
    for task in range(len(pool.tasks)):
        own = []
        for number in of_task(pool, "networks", task):
            cut = pool.members.networks[number].build(INPUTS).to(dense.dtype).eval()
            cut.load_state_dict(pool.tensors_of(f"networks.{number}"))
            own.append(cut(dense, sparse))
        own += [
            ensemble(pool, number).decision(dense, sparse).view(len(dense), -1).to(dense.dtype)
            for number in of_task(pool, "trees", task)
        ]
        own += [whole(pool, n, dense, sparse) for n in of_task(pool, "whole", task)]
        found.append(torch.stack(own, dim=1))
    return found


def whole(pool: Pool, number: int, dense: Tensor, sparse: Tensor) -> Tensor:
    """The logits [B, C] of a network that isn't cut."""
    model = pool.members.whole[number].build(INPUTS).to(dense.dtype).eval()
    model.load_state_dict(pool.tensors_of(f"whole.{number}"))
    logits: Tensor = model(dense, sparse).detach()
    return logits


def mean_logits(pool: Pool, dense: Tensor, sparse: Tensor) -> Tensor:
    """The mean of each task's members' logits [B, O]."""
    return torch.cat([own.mean(1) for own in member_logits(pool, dense, sparse)], dim=1)


def shares_of(pool: Pool, number: int) -> slice:
    """The columns of one tree ensemble, or one network that isn't cut after them, among the logits
    of all."""
    outputs = outputs_of(pool) or [1] * len(pool.tasks)
    counts = [outputs[each.task] for each in pool.members.shared]
    return slice(sum(counts[:number]), sum(counts[: number + 1]))


def plain_lift(lift: Lift, pool: Pool, found: list[Tensor], shares: Tensor) -> list[Tensor]:
    """One level's outputs by task [B, M, H]: networks [B, width] each, shares [B, S]."""
    lines = lift.trees
    lifted = []
    for task in range(len(pool.tasks)):
        own = [plain_adapter(lift.adapters[n], found[n]) for n in of_task(pool, "networks", task)]
        for n in of_task(pool, "shared", task):
            if isinstance(lines, nn.ModuleList):
                own.append(plain_adapter(lines[n], shares[:, shares_of(pool, n)]))
                continue
            line = [lines.weight[n, :, 0] * share + lines.bias[n] for share in shares[:, n]]
            own.append(torch.stack(line))
        lifted.append(torch.stack(own, dim=1))
    return lifted


def plain_adapter(adapter: nn.Module, x: Tensor) -> Tensor:
    """A linear layer with or without a bias, or the identity."""
    if not list(adapter.parameters()):
        return x
    return torch.stack(
        [adapter.weight @ row + (0 if adapter.bias is None else adapter.bias) for row in x]
    )


def plain_shares(pool: Pool, levels: int, dense: Tensor, sparse: Tensor) -> Tensor:
    """Shares of the levels in the logits of the pool's trees and uncut networks [B, S, C]."""
    count = len(pool.members.trees)
    found = [ensemble(pool, n).shares(dense, sparse, levels) for n in range(count)]
    shares = [own.view(len(dense), -1, levels) for own in found]
    for number in range(len(pool.members.whole)):
        even = whole(pool, number, dense, sparse) / levels
        shares.append(torch.stack([even] * levels, dim=2).to(dense.dtype))
    return torch.cat(shares, dim=1) if shares else dense.new_zeros(len(dense), 0, levels)
