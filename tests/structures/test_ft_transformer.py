"""FT-Transformer against the equations, a row and a head at a time, and the authors' package."""

from math import sqrt

import pytest
import torch
from torch import Tensor, nn

from emm.core.errors import ParamsError
from emm.nn.inputs import Inputs
from emm.structures.ft_transformer import Block, FTTransformer
from tests.structures.conftest import STRUCTURES


def plain_attention(block: Block, asking: Tensor, tokens: Tensor, heads: int) -> Tensor:
    """One row: asking [Q, E], tokens [S, E] -> [Q, E]."""
    attention, width = block.attention, tokens.shape[1] // heads
    found = []
    for token in asking:
        parts = []
        for head in range(heads):
            own = slice(head * width, (head + 1) * width)
            query = (attention.query(token))[own]
            scores = torch.stack(
                [query @ attention.key(other)[own] / sqrt(width) for other in tokens]
            )
            weights = scores.exp() / scores.exp().sum()
            values = torch.stack([attention.value(other)[own] for other in tokens])
            parts.append((weights.unsqueeze(1) * values).sum(0))
        found.append(attention.out(torch.cat(parts)))
    return torch.stack(found)


def plain_norm(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    mean = x.mean(-1, keepdim=True)
    spread = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / (spread + norm.eps).sqrt() * norm.weight + norm.bias


def test_forward_equals_the_equations(case, small):
    arguments = STRUCTURES[FTTransformer]
    model = case.prepare(FTTransformer(small.inputs, 1, **arguments))
    tokens, expected = model.tokens, []
    starts = [0, 4, 6]  # of the fields' rows in the table
    for dense, ids in zip(case.dense, case.sparse, strict=True):
        x = [tokens.read]
        x += [dense[j] * tokens.weight[j] + tokens.bias[j] for j in range(3)]
        table = tokens.front.table.weight
        x += [table[starts[f] + int(ids[f])] + tokens.bias[3 + f] for f in range(3)]
        row = torch.stack(x)
        for number, block in enumerate(model.blocks):
            normed = row if number == 0 else plain_norm(block.before, row)
            row = row + plain_attention(block, normed, normed, 2)
            up = block.up(plain_norm(block.between, row))
            half = up.shape[1] // 2
            row = row + block.down(up[:, :half] * up[:, half:].clamp(min=0))
        norm, _, linear = model.last
        expected.append(linear(plain_norm(norm, row[0]).clamp(min=0)))
    torch.testing.assert_close(model(case.dense, case.sparse), torch.stack(expected))


def test_many_rows_are_predicted_in_parts(small, monkeypatch):
    model = FTTransformer(small.inputs, 1, **STRUCTURES[FTTransformer]).eval()
    dense, sparse = small.batch(10)
    expected, rows = model(dense, sparse), []
    monkeypatch.setattr("emm.structures.ft_transformer.AT_ONCE", 4)
    model.blocks[0].register_forward_hook(lambda _m, _i, out: rows.append(len(out)))
    torch.testing.assert_close(model(dense, sparse), expected)
    assert rows == [4, 4, 2]
    model.train()(dense, sparse)
    assert rows[3:] == [10]


def test_heads_that_do_not_divide_the_width_are_refused(small):
    with pytest.raises(ParamsError, match=r"(?s)width: 10, heads: 4.*write `width: 12`"):
        FTTransformer(small.inputs, 1, width=10, heads=4)


def test_it_equals_the_authors_package():
    theirs_of = pytest.importorskip("rtdl_revisiting_models").FTTransformer
    theirs = theirs_of(
        n_cont_features=3,
        cat_cardinalities=[4, 2],
        d_out=1,
        n_blocks=2,
        d_block=8,
        attention_n_heads=2,
        attention_dropout=0.0,
        ffn_d_hidden_multiplier=4 / 3,
        ffn_dropout=0.0,
        residual_dropout=0.0,
    ).eval()
    ours = FTTransformer(Inputs(3, (4, 2)), 1, **STRUCTURES[FTTransformer]).eval()
    nn.init.normal_(theirs.cls_embedding.weight)
    with torch.no_grad():
        ours.tokens.read.copy_(theirs.cls_embedding.weight)
        ours.tokens.weight.copy_(theirs.cont_embeddings.weight)
        tables = [each.weight for each in theirs.cat_embeddings.embeddings]
        ours.tokens.front.table.weight.copy_(torch.cat(tables))
        ours.tokens.bias.copy_(torch.cat([theirs.cont_embeddings.bias, theirs.cat_embeddings.bias]))
    for mine, block in zip(ours.blocks, theirs.backbone.blocks, strict=True):
        pairs = {"query": "W_q", "key": "W_k", "value": "W_v", "out": "W_out"}
        for own, name in pairs.items():
            part = getattr(block["attention"], name)
            getattr(mine.attention, own).load_state_dict(part.state_dict())
        mine.between.load_state_dict(block["ffn_normalization"].state_dict())
        mine.up.load_state_dict(block["ffn"].linear1.state_dict())
        mine.down.load_state_dict(block["ffn"].linear2.state_dict())
        if "attention_normalization" in block:
            mine.before.load_state_dict(block["attention_normalization"].state_dict())
    output = theirs.backbone.output
    ours.last[0].load_state_dict(output.normalization.state_dict())
    ours.last[2].load_state_dict(output.linear.state_dict())
    dense, sparse = torch.randn(5, 3), torch.tensor([[0, 1], [3, 0], [2, 1], [1, 1], [3, 1]])
    torch.testing.assert_close(ours(dense, sparse.int()), theirs(dense, sparse))
