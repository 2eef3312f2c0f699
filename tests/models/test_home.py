import pytest
import torch

from emm.core.errors import ParamsError
from emm.models.home import HoME
from emm.nn.inputs import Inputs

ARGUMENTS = {"embedding_dim": 2, "expert": [6, 4], "tower": [3], "rank": 2, "dropout": 0.0}
NAMES = ("click", "like", "view", "share")
GROUPS = {"watching": ["view", "click"], "interaction": ["like"]}


def gated(gates, x, number, plain, feature_gates):
    """x * sum_n g_n 2 sigmoid(A_n (B_n x)) for the input of one set of experts, row by row."""
    rows = []
    for row in x:
        shares = [1.0]
        if gates.shares is not None:
            shares = plain.softmax(gates.shares.linear.weight[number] @ row)
        factor = 0.0
        for n, share in enumerate(shares):
            place = number * feature_gates + n
            scores = gates.up.weight[place] @ (gates.down.weight[place] @ row)
            factor = factor + share * 2 / (1 + (-scores).exp())
        rows.append(row * factor)
    return torch.stack(rows)


def experts_of(level, x, number, plain, experts, feature_gates):
    """The outputs of one set of experts for its input x."""
    own = gated(level.feature_gates, x, number, plain, feature_gates)
    return [plain.chain(level.experts, own, number * experts + n) for n in range(experts)]


def read(readers, number, x, own, others, plain):
    """The gated sum of all experts that are read, and the self-gated sum of the own ones."""
    rows = []
    for row, value in enumerate(x):
        gate = plain.softmax(readers.gates.linear.weight[number] @ value)
        scores = readers.self_gates.weight[number] @ value
        self_gate = 1 / (1 + (-scores).exp()) if len(own) == 1 else plain.softmax(scores)
        both = [*own, *others]
        total = sum(g * output[row] for g, output in zip(gate, both, strict=True))
        total = total + sum(s * output[row] for s, output in zip(self_gate, own, strict=True))
        rows.append(total)
    return torch.stack(rows)


@pytest.mark.parametrize(("experts", "feature_gates"), [(1, 1), (2, 3)])
@pytest.mark.parametrize(
    ("tasks", "groups", "own"),
    [
        (2, {}, [0, 1]),
        (3, {"all": NAMES[:3]}, [0, 0, 0]),
        (4, GROUPS, [0, 1, 0, 2]),
    ],
    ids=["own", "one", "two"],
)
def test_forward_is_the_equation_of_the_paper(
    tasks, groups, own, experts, feature_gates, case, plain, small
):
    arguments = {**ARGUMENTS, "experts": experts, "feature_gates": feature_gates}
    named = {"groups": groups, "task_names": NAMES[:tasks]}
    model = case.prepare(HoME(small.inputs, tasks, **arguments, **named))
    knobs = (plain, experts, feature_gates)
    x, count = plain.front(model.front, case.dense, case.sparse), max(own) + 1

    meta = [experts_of(model.meta, x, number, *knobs) for number in range(count + 1)]
    z = [read(model.category_readers, c, x, meta[c], meta[-1], plain) for c in range(count)]
    others = [expert for each in meta[:-1] for expert in each]
    z.append(read(model.shared_reader, 0, x, meta[-1], others, plain))

    sources = [*(z[category] for category in own), *z]
    second = [experts_of(model.level, each, n, *knobs) for n, each in enumerate(sources)]
    logits = []
    for task, category in enumerate(own):
        both = torch.cat([z[category], z[-1]], dim=1)
        shared = [*second[tasks + category], *second[-1]]
        state = read(model.task_readers, task, both, second[task], shared, plain)
        logits.append(plain.chain(model.towers.layers, state, task))
    torch.testing.assert_close(model(case.dense, case.sparse), torch.cat(logits, dim=1))


def test_a_task_reads_no_expert_of_another_category_but_through_the_shared_ones(small):
    """The second level's experts of other tasks and categories get no gradient."""
    rows = small.batch(50)
    model = HoME(small.inputs, 4, **ARGUMENTS, groups=GROUPS, task_names=NAMES, experts=1)
    model = small.settle(model, *rows)
    model(*rows)[:, 2].sum().backward()
    reached = model.level.experts[0].weight.grad.flatten(1).any(dim=1).tolist()
    of_tasks, of_categories, shared = reached[:4], reached[4:7], reached[7]
    assert (of_tasks, of_categories, shared) == (
        [False, False, True, False],
        [True, False, False],
        True,
    )


def test_the_first_feature_gates_are_close_to_one():
    """No feature is switched off before anything is learned."""
    model = HoME(Inputs(dense=20, cardinalities=()), 2, **ARGUMENTS)
    x = torch.rand(100, 20)
    factors = model.meta.feature_gates(x) / x.unsqueeze(1)
    assert factors.mean().item() == pytest.approx(1.0, abs=0.1)
    assert factors.min() > 0.3
    assert factors.max() < 1.7


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"a": ["click"], "b": ["lick"]}, "no task is called 'lick'; did you mean 'click'?"),
        ({"a": ["click", "like"], "b": ["like"]}, "the task like is in two groups"),
    ],
)
def test_groups_that_do_not_fit_the_tasks_are_refused(groups, message, small):
    with pytest.raises(ParamsError) as error:
        HoME(small.inputs, 4, **ARGUMENTS, groups=groups, task_names=NAMES)
    assert message in str(error.value)
    assert "where: the model's section: groups.b" in str(error.value)


def test_a_group_without_tasks_has_no_experts(small):
    models = [
        HoME(small.inputs, 4, **ARGUMENTS, groups=groups, task_names=NAMES)
        for groups in (GROUPS, {"none": [], **GROUPS})
    ]
    assert models[0].sources.tolist() == models[1].sources.tolist()
