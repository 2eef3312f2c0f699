"""The leaves that rows end in, found with bit masks instead of walks.

Each value of a column leaves some leaves of a tree reachable; the leaf that a row ends in is the
only one that all its values leave. Bits stand for leaves, so one `&` serves 32 of them. The idea is
QuickScorer's: Lucchese et al., "QuickScorer: A Fast Algorithm to Rank Documents with Additive
Ensembles of Regression Trees", SIGIR 2015. Values that no split tells apart have one code, and the
masks of all trees are looked up by code, which takes sequential reads only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

IDS = 256
"""Codes of a field that is split by sets: ids 0..254, and one for all others."""
BITS = 32
"""Leaves per word of a mask."""
DE_BRUIJN = 0x077CB531
"""Multiplied by a power of two, its five highest bits differ for each of the 32 powers."""

# Rows whose codes are computed together; each needs about 4 bytes per column.
CODED = 2**14
# (row, word) pairs whose masks are combined together: two buffers of them fit the cache.
MASKS = 2**17
FEWEST = 64  # rows of a block, so that the fixed cost of an operation doesn't dominate


@dataclass(frozen=True)
class Numbers:
    """Codes of a column of numbers: how many thresholds are smaller, or one more than all for NaN.

    Attributes:
        column: position among the D + F columns.
        thresholds: distinct and ascending, [K - 2] float32.
        group: the table in which the code is looked up.
        stride: factor of the code there.
    """

    column: int
    thresholds: Tensor
    group: int
    stride: int


@dataclass(frozen=True)
class Fields:
    """Codes of the fields that are split by sets, times their strides.

    Attributes:
        columns: positions among the D + F columns, [F] int64.
        codes: of ids 0..255 of each field, [F * 256] int32.
        groups: the table in which each field's code is looked up, [F] int64.
    """

    columns: Tensor
    codes: Tensor
    groups: Tensor


@dataclass(frozen=True)
class Block:
    """Tables of some consecutive trees.

    Attributes:
        tables: masks by code, [codes, words] int32, one for each group of columns.
        values: of the leaves, [words * 32] float64, in De Bruijn order within a word.
        trees: number of trees.
        tree_of_word: [words] int64; None if each tree has one word.
    """

    numbers: Sequence[Numbers]
    fields: Fields
    tables: Sequence[Tensor]
    values: Tensor
    trees: int
    tree_of_word: Tensor | None

    @property
    def words(self) -> int:
        """Words of a row's mask."""
        return len(self.values) // BITS

    def codes(self, columns: Tensor) -> Tensor:
        """Rows of the tables: columns [D + F, B] float32 -> [tables, B] int32."""
        rows = columns.shape[1]
        codes = torch.zeros(len(self.tables), rows, dtype=torch.int32)
        if len(self.fields.columns):
            ids = columns.index_select(0, self.fields.columns).to(torch.int32)
            ids += IDS * torch.arange(len(ids), dtype=torch.int32).unsqueeze(1)
            of_fields = self.fields.codes.index_select(0, ids.flatten()).view(ids.shape)
            codes.index_add_(0, self.fields.groups, of_fields)
        for each in self.numbers:
            values = columns[each.column]
            code = torch.bucketize(values, each.thresholds, out_int32=True)
            codes[each.group] += (code + values.isnan()) * each.stride
        return codes

    def leaves(self, codes: Tensor) -> Tensor:
        """Values of the leaves that rows end in: codes [tables, b] -> [b, trees] float64."""
        masks = self.tables[0].index_select(0, codes[0])  # [b, words]
        other = torch.empty_like(masks)
        for table, code in zip(self.tables[1:], codes[1:], strict=True):
            torch.index_select(table, 0, code, out=other)
            masks &= other
        places = self._places(masks)
        return self.values.index_select(0, places.flatten()).view(places.shape)

    def _places(self, masks: Tensor) -> Tensor:
        """Places among ``values`` of the only bits: masks [b, words], changed -> [b, trees]."""
        bits = masks if self.tree_of_word is None else masks.clone()
        bits *= DE_BRUIJN
        bits >>= BITS - 5
        bits &= BITS - 1  # the shift repeats the sign
        bits += BITS * torch.arange(self.words, dtype=torch.int32)
        if self.tree_of_word is None:
            return bits
        bits *= masks != 0  # only one word of a tree has a bit
        places = bits.new_zeros(len(bits), self.trees)
        return places.index_add_(1, self.tree_of_word, bits)


@dataclass(frozen=True)
class LeafMasks:
    """All trees of an ensemble."""

    blocks: Sequence[Block]

    def leaves(self, values: Tensor) -> Iterator[Tensor]:
        """Values of the leaves that rows end in, [b, trees], block by block of b rows.

        values [B, D + F] float32, with 255 for the ids of fields of up to 255 ids that are not in
        0..254.
        """
        widest = max(max(block.words, block.trees) for block in self.blocks)
        rows = max(FEWEST, MASKS // widest)
        for part in torch.split(values, CODED):
            columns = part.T.contiguous()
            codes = [torch.split(block.codes(columns), rows, dim=1) for block in self.blocks]
            for together in zip(*codes, strict=True):
                parts = zip(self.blocks, together, strict=True)
                leaves = [block.leaves(code) for block, code in parts]
                yield leaves[0] if len(leaves) == 1 else torch.cat(leaves, dim=1)
