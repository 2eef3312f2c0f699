"""Ensembles of decision trees as plain tensors, evaluated for all rows and trees together."""

from collections.abc import Iterator
from dataclasses import dataclass
from operator import is_

import torch
from torch import Tensor, nn

from emm.core.errors import DataError, ModelFileError
from emm.nn.inputs import Inputs
from emm.trees.leaf_masks import LeafMasks
from emm.trees.mask_tables import mask_tables
from emm.trees.sums import by_level, by_output

CATEGORIES = 255
"""Largest cardinality of a field that trees may split into two arbitrary sets of ids."""
WORDS = 8  # 32-bit words of a bitset: ids 0..254, and one bit for all other ids
OUTSIDE = 32 * WORDS - 1
NODES = (
    *("starts", "column", "left", "right", "bitset"),
    *("threshold", "missing_left", "bitsets", "value"),
)
LARGEST_ID = 2**24  # float32 represents every integer up to here

# (row, tree) pairs that are walked together; each needs about 100 bytes.
PAIRS = 2**17
# Steps after which pairs that have reached their leaf are dropped. Leaves lie at about half of the
# depth of the deepest one, so dropping them halves the time.
STRIDE = 4


@dataclass(frozen=True)
class _Kept:
    """Tables made from an ensemble's nodes; None if these have to be walked.

    ``state``: the number of columns, and the version of each of the ``nodes``.
    """

    nodes: tuple[Tensor, ...]
    state: tuple[int, ...]
    masks: LeafMasks | None


class TreeEnsemble(nn.Module):
    """Sums of decision trees: dense [B, D], sparse [B, F] -> logits [B, outputs].

    Tree k adds to output k % ``outputs``; a round of boosting is one tree per output. There is one
    output for a binary or regression task, and one per class otherwise. For a regression task, the
    sum is the predicted value itself instead of a logit.

    The nodes of all trees are stored one after another; ``left`` and ``right`` are positions among
    all of them, and a leaf is its own child, so that every tree can be walked for ``depth`` steps.
    Tree k starts at ``starts[k]``: to sum a subset of the trees, walk from their starts only.

    Column c of a node is dense feature c if c < D, else sparse field c - D. A node with
    ``bitset`` -1 sends values <= ``threshold`` left, and NaN left if ``missing_left`` is set. Any
    other node reads a field of at most 255 ids and sends an id left if its bit in this row of
    ``bitsets`` is set; ids outside 0..254 share the last bit.

    On a CPU, leaves are found with tables (`emm.trees.leaf_masks`), which are made at the first
    call and again once the nodes have changed. On other devices, in code that is being compiled or
    traced, and for very large trees, all rows walk down all trees. Both give the same bits.

    The arguments are sizes only, so that an ensemble can be built empty and then loaded: ``trees``,
    ``nodes``, ``bitsets`` (rows), ``depth`` (longest path from a root, in steps) and ``outputs``.
    Raises DataError if a field has more than 2**24 ids, ModelFileError if the last round lacks a
    tree.
    """

    starts: Tensor
    column: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    missing_left: Tensor
    bitset: Tensor
    bitsets: Tensor
    value: Tensor
    baseline: Tensor
    categorical: Tensor

    def __init__(
        self,
        inputs: Inputs,
        *,
        trees: int,
        nodes: int,
        bitsets: int,
        depth: int,
        outputs: int = 1,
    ) -> None:
        super().__init__()
        _check_ids(inputs)
        _check_rounds(trees, outputs)
        self.depth, self.outputs = depth, outputs
        self.register_buffer("starts", torch.zeros(trees, dtype=torch.int64))
        for name in ("column", "left", "right", "bitset"):
            self.register_buffer(name, torch.zeros(nodes, dtype=torch.int64))
        self.register_buffer("threshold", torch.zeros(nodes, dtype=torch.float32))
        self.register_buffer("missing_left", torch.zeros(nodes, dtype=torch.bool))
        self.register_buffer("bitsets", torch.zeros(bitsets, WORDS, dtype=torch.int32))
        self.register_buffer("value", torch.zeros(nodes, dtype=torch.float64))
        # Ensembles of one output are stored with a baseline without a dimension.
        shape = (outputs,) if outputs > 1 else ()
        self.register_buffer("baseline", torch.zeros(shape, dtype=torch.float64))
        categorical = torch.tensor(categorical_fields(inputs), dtype=torch.bool)
        self.register_buffer("categorical", categorical, persistent=False)
        self._kept: _Kept | None = None

    def sizes(self) -> dict[str, int]:
        """Arguments of the constructor that builds an ensemble with buffers of the same shapes."""
        trees, nodes, bitsets = len(self.starts), len(self.value), len(self.bitsets)
        found = {"trees": trees, "nodes": nodes, "bitsets": bitsets, "depth": self.depth}
        return found | ({"outputs": self.outputs} if self.outputs > 1 else {})

    def decision(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """Logits in full precision: dense [B, D], sparse [B, F] -> [B, outputs] float64.

        [B] for a single output.
        """
        sums = [by_output(leaves, self.outputs) for leaves in self._leaves(dense, sparse)]
        return torch.cat(sums) + self.baseline

    def shares(self, dense: Tensor, sparse: Tensor, levels: int) -> Tensor:
        """Split each logit into sums over ``levels`` groups of consecutive rounds of equal size.

        Sizes differ by one round at most, and the first sum includes the baseline.
        dense [B, D], sparse [B, F] -> [B, outputs * levels] float64, output by output.
        """
        found = self._leaves(dense, sparse)
        sums = torch.cat([by_level(leaves, self.outputs, levels) for leaves in found])
        sums[:, ::levels] += self.baseline
        return sums

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D] float32, sparse [B, F] int32 -> logits [B, outputs] float32."""
        return self.decision(dense, sparse).to(torch.float32).view(len(dense), self.outputs)

    def _values(self, dense: Tensor, sparse: Tensor) -> Tensor:
        sparse = sparse[:, : len(self.categorical)]  # without the column of bags
        outside = self.categorical & ((sparse < 0) | (sparse >= OUTSIDE))  # [B, F]
        ids = sparse.masked_fill(outside, OUTSIDE)
        return torch.cat([dense.to(torch.float32), ids.to(torch.float32)], dim=1)  # [B, D + F]

    def _leaves(self, dense: Tensor, sparse: Tensor) -> Iterator[Tensor]:
        """Values of the leaves that rows end in, [b, trees], block by block of b rows."""
        values = self._values(dense, sparse)
        masks = self._masks(values)
        if masks:
            yield from masks.leaves(values)
            return
        rows = max(1, PAIRS // max(1, len(self.starts)))
        for block in torch.split(values, rows):
            yield self._walk(block)

    def _masks(self, values: Tensor) -> LeafMasks | None:
        """The tables for plain rows on a CPU, values [B, D + F]; None if they have to walk."""
        if torch.compiler.is_compiling():  # or exporting
            return None
        nodes = tuple(self.get_buffer(name) for name in NODES)
        if type(values) is not Tensor or not all(each.is_cpu for each in (values, *nodes)):
            return None
        if any(each.is_inference() for each in nodes):  # they don't count their changes
            return None
        state = (values.shape[1], *(each._version for each in nodes))
        kept = self._kept
        if kept and kept.state == state and all(map(is_, kept.nodes, nodes)):
            return kept.masks
        arrays = {name: each.numpy() for name, each in zip(NODES, nodes, strict=True)}
        dense = values.shape[1] - len(self.categorical)
        masks = mask_tables(arrays, [False] * dense + self.categorical.tolist(), self.depth)
        self._kept = _Kept(nodes, state, masks)
        return masks

    def _walk(self, values: Tensor) -> Tensor:
        node = self.starts.repeat(len(values))  # [b * trees], row by row
        live = torch.arange(len(node), device=node.device)  # pairs that aren't at a leaf yet
        for _ in range(0, self.depth, STRIDE):
            here = node.index_select(0, live)
            cell = live // len(self.starts) * values.shape[1]  # where the row of the pair starts
            for _ in range(STRIDE):
                here = self._step(values.flatten(), cell, here)
            node[live] = here
            live = live[self.left.index_select(0, here) != here]
        return self.value.index_select(0, node).view(len(values), len(self.starts))  # [b, trees]

    def _step(self, values: Tensor, cell: Tensor, node: Tensor) -> Tensor:
        value = values.index_select(0, cell + self.column.index_select(0, node))
        below = value <= self.threshold.index_select(0, node)
        below |= value.isnan() & self.missing_left.index_select(0, node)
        if len(self.bitsets):
            row = self.bitset.index_select(0, node)
            below = torch.where(row < 0, below, self._in_set(row, value))
        left, right = (child.index_select(0, node) for child in (self.left, self.right))
        return torch.where(below, left, right)

    def _in_set(self, row: Tensor, value: Tensor) -> Tensor:
        # Nodes without a bitset look up id 0 of row 0; the caller discards the result.
        ids = torch.where(row < 0, 0, value).to(torch.int32)
        word = self.bitsets.flatten().index_select(0, row.clamp(min=0) * WORDS + (ids >> 5))
        return ((word >> (ids & 31)) & 1).to(torch.bool)


def categorical_fields(inputs: Inputs) -> list[bool]:
    """Whether each sparse field is small enough to be split by sets of ids instead of by order."""
    return [cardinality <= CATEGORIES for cardinality in inputs.cardinalities]


def _check_ids(inputs: Inputs) -> None:
    for field, cardinality in enumerate(inputs.cardinalities):
        if cardinality > LARGEST_ID:
            raise DataError(
                "a sparse field has too many ids for trees, which read ids as float32",
                where=f"sparse field {field}",
                got=f"{cardinality} ids",
                expected=f"at most {LARGEST_ID}",
                next_step="raise the field's minimum count so that rare ids become 0",
            )


def _check_rounds(trees: int, outputs: int) -> None:
    if outputs < 1 or trees % outputs:
        raise ModelFileError(
            "an ensemble's trees aren't a whole number of rounds",
            got=f"{trees} trees for {outputs} outputs",
            expected="as many trees for each output",
            next_step="dvc checkout to restore the model, or dvc repro to train it again",
        )
