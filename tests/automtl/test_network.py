import pytest
import torch

from emm.automtl.network import AutoMTL

ARCHITECTURE = {
    "width": 4,
    "levels": [
        [
            {"fields": [0, 3], "interactions": [0, 2, 5], "operators": ["mlp-16", "identity"]},
            {"fields": [4], "interactions": [1], "operators": ["identity", "identity"]},
        ],
        [
            {"experts": [0, 1], "operators": ["identity", "mlp-32"]},
            {"experts": [1], "operators": ["mlp-16", "mlp-16"]},
            {"experts": [0], "operators": ["identity", "identity"]},
        ],
    ],
    "tasks": [[0, 2], [1], [0, 1, 2], [2]],
}
ARGUMENTS = {"embedding_dim": 3, "tower": [5], "dropout": 0.0}


WAYS = {
    "ours": {},
    "no-stem": {"stem": False},
    "hidden-norm": {"operator_norm": "hidden"},
    "softmax-of-all": {"softmax": "all"},
}


def norm(layer, x):
    mean, variance = layer.running_mean, layer.running_var
    if layer.training:
        mean, variance = x.mean(dim=0), x.var(dim=0, unbiased=False)
    found = (x - mean) / (variance + layer.eps).sqrt()
    return found if layer.weight is None else layer.weight * found + layer.bias


def applied(layer, x, way):
    """The output of one operator."""
    if not hasattr(layer, "expand"):
        return x @ layer.weight.T if hasattr(layer, "weight") else x
    hidden = x @ layer.expand.weight.T + layer.expand.bias
    if way == "hidden-norm":
        hidden = norm(layer.norm, hidden)
    found = hidden.clamp_min(0) @ layer.project.weight.T + layer.project.bias
    return found.clamp_min(0) if way == "hidden-norm" else norm(layer.norm, found)


def restated(model, plain, chosen, dense, sparse, way):
    """The forward pass, one row, expert and reader at a time."""
    fields = [
        value.unsqueeze(1) * vector
        for value, vector in zip(dense.T, model.front.dense, strict=True)
    ]
    offsets = model.front.table.offsets
    fields += [
        model.front.table.weight[(ids + start).long()]
        for ids, start in zip(sparse.T, offsets, strict=True)
    ]
    raw, outputs = torch.cat(fields, dim=1), []
    for expert, stem in zip(chosen["levels"][0], model.stems, strict=True):
        parts = [fields[f] for f in expert["fields"]]
        pairs = expert["interactions"]
        if len(pairs) > 1:
            parts.append(sum(fields[a] * fields[b] for a in pairs for b in pairs if a < b))
        read = torch.cat(parts, dim=1)
        if way != "no-stem":
            read = norm(stem.norm, read @ stem.linear.weight.T + stem.linear.bias)
        outputs.append(read)
    above = [[expert["experts"] for expert in level] for level in chosen["levels"][1:]]
    readers = [*above, chosen["tasks"]]
    for level, gates, reads in zip(model.levels, model.gates, readers, strict=True):
        for number, layers in enumerate(level):
            for layer in layers:
                outputs[number] = applied(layer, outputs[number], way)
        row, mixed = 0, []
        for reader, own in enumerate(reads):
            weights = torch.ones(len(raw), 1, dtype=raw.dtype)
            if way == "softmax-of-all":
                scores = raw @ gates.linear.weight[reader].T
                weights = torch.stack([plain.softmax(each) for each in scores])[:, own]
            elif len(own) > 1:
                scores = raw @ gates.linear.weight[row : row + len(own)].T
                weights = torch.stack([plain.softmax(each) for each in scores])
                row += len(own)
            mixed.append(sum(weights[:, [i]] * outputs[k] for i, k in enumerate(own)))
        outputs = mixed
    logits = [plain.chain(model.towers.layers, x, task) for task, x in enumerate(outputs)]
    return torch.cat(logits, dim=1)


@pytest.mark.parametrize("way", WAYS)
def test_forward_equals_a_direct_evaluation_of_the_architecture(way, tasks, case, plain, small):
    # The readers of the last level are the tasks.
    chosen = {**ARCHITECTURE, "tasks": ARCHITECTURE["tasks"][:tasks]}
    arguments = {**ARGUMENTS, **WAYS[way]}
    model = case.prepare(AutoMTL(small.inputs, tasks, architecture=chosen, **arguments))
    expected = restated(model, plain, chosen, case.dense, case.sparse, way)
    torch.testing.assert_close(model(case.dense, case.sparse), expected)
