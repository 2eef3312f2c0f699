"""Tables of `emm.trees.leaf_masks`, made from the nodes of an ensemble."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from emm.trees.leaf_masks import BITS, DE_BRUIJN, Block, Fields, LeafMasks, Numbers
from emm.trees.mask_columns import Array, Column, Splits, columns_of, splits_of
from emm.trees.unroll import Unrolled, unroll

# Ensembles beyond these limits are walked.
LEAVES = 1024  # of a tree; with more, a walk is about as fast
TABLES = 2**28  # bytes of all tables
# Columns are joined in one table while it has at most this many rows.
JOINED = 512
WORDS = 512  # of the trees of a block, if they are several


def mask_tables(nodes: Mapping[str, Array], by_set: Sequence[bool], depth: int) -> LeafMasks | None:
    """The tables of an ensemble; None if its trees have to be walked.

    ``nodes``: the ensemble's buffers; ``by_set``: whether each of the D + F columns is a field of
    at most 255 ids; ``depth``: the longest path from a root.
    """
    splits = splits_of(nodes, by_set)
    if splits is None or not len(nodes["starts"]):
        return None
    trees = unroll(nodes["starts"], nodes["left"], nodes["right"], depth, LEAVES)
    if trees is None:
        return None
    blocks, left = [], TABLES
    for start, stop in _consecutive(trees.words):
        block = _block(splits, trees.part(start, stop), nodes["value"], left)
        if block is None:
            return None
        left -= sum(table.nbytes for table in block.tables)
        blocks.append(block)
    return LeafMasks(blocks)


def _consecutive(words: Array) -> list[tuple[int, int]]:
    """First and last + 1 tree of each block of at most WORDS words, or of a single tree."""
    blocks, start, used = [], 0, 0
    for tree, own in enumerate(words.tolist()):
        if used and used + own > WORDS:
            blocks.append((start, tree))
            start, used = tree, 0
        used += own
    return [*blocks, (start, len(words))]


def _block(splits: Splits, trees: Unrolled, values: Array, most: int) -> Block | None:
    """The tables of some trees; None if they need more than ``most`` bytes."""
    groups = _groups(columns_of(splits, trees))
    rows = [int(np.prod([len(each.masks) for each in group])) for group in groups]
    if sum(rows) * trees.total * 4 > most:
        return None
    tables = [_joined(group) for group in groups] or [np.full((1, trees.total), -1, np.int32)]
    tables[0] &= _existing(trees)
    numbers, fields = _codes(groups)
    single = len(trees.words) == trees.total
    of_word = np.repeat(np.arange(len(trees.words)), trees.words)
    return Block(
        numbers,
        fields,
        [torch.from_numpy(table) for table in tables],
        torch.from_numpy(_values(trees, values)),
        len(trees.words),
        None if single else torch.from_numpy(of_word),
    )


def _groups(columns: Sequence[Column]) -> list[list[Column]]:
    """Columns whose codes are joined: the first group with room for each, longest first."""
    groups: list[list[Column]] = []
    rows: list[int] = []
    for column in sorted(columns, key=lambda each: -len(each.masks)):
        codes = len(column.masks)
        fitting = (at for at, taken in enumerate(rows) if taken * codes <= JOINED)
        at = next(fitting, len(groups))
        if at == len(groups):
            groups.append([])
            rows.append(1)
        groups[at].append(column)
        rows[at] *= codes
    return groups


def _joined(group: Sequence[Column]) -> Array:
    """The masks by the codes of all columns of a group; the code of the last varies fastest."""
    joined = group[0].masks.copy()
    for column in group[1:]:
        joined = (joined[:, None] & column.masks).reshape(-1, joined.shape[1])
    return joined


def _codes(groups: Sequence[Sequence[Column]]) -> tuple[list[Numbers], Fields]:
    numbers, fields = [], []
    for group, columns in enumerate(groups):
        stride = 1
        for each in reversed(columns):
            if each.thresholds is not None:
                thresholds = torch.from_numpy(each.thresholds)
                numbers.append(Numbers(each.column, thresholds, group, stride))
            elif each.of_ids is not None:
                fields.append((each.column, each.of_ids * stride, group))
            stride *= len(each.masks)
    codes = [codes for _, codes, _ in fields]
    return numbers, Fields(
        torch.tensor([column for column, *_ in fields], dtype=torch.int64),
        torch.from_numpy(np.concatenate([np.zeros(0), *codes]).astype(np.int32)),
        torch.tensor([group for *_, group in fields], dtype=torch.int64),
    )


def _existing(trees: Unrolled) -> Array:
    """The leaves that exist, [words] int32."""
    leaves = np.zeros(trees.total * BITS, dtype=np.bool_)
    leaves[trees.leaf_at] = True
    return np.packbits(leaves, bitorder="little").view("<i4").astype(np.int32)


def _values(trees: Unrolled, values: Array) -> Array:
    """Values of the leaves, [words * 32], in De Bruijn order within a word."""
    powers = np.uint32(1) << np.arange(BITS, dtype=np.uint32)
    place = (powers * np.uint32(DE_BRUIJN)) >> np.uint32(BITS - 5)
    found = np.zeros((trees.total, BITS))
    found[trees.leaf_at // BITS, place[trees.leaf_at % BITS]] = values[trees.leaf]
    return found.ravel()
