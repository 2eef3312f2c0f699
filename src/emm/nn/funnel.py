"""Building blocks of funnel models: products of probabilities as logits, and pooled fields."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from emm.core.errors import choose
from emm.data.tables.outputs import output_columns
from emm.nn.embedding import FeatureFront
from emm.nn.inputs import Inputs
from emm.nn.mlp import Towers

Groups = Mapping[str, Sequence[str]]


def logit_of_product(first: Tensor, second: Tensor) -> Tensor:
    """Logit of sigmoid(a) sigmoid(b) for logits a, b of one shape, exact for extreme logits too.

    The odds against are (1 + e^-a)(1 + e^-b) - 1 = e^-a + e^-b + e^(-a-b).
    """
    return -torch.stack([-first, -second, -first - second]).logsumexp(dim=0)


def over_entire_space(logits: Tensor, steps: Sequence[int]) -> Tensor:
    """Replace the logit of a conversion given a click by that of both; logits [B, O] -> [B, O].

    p_both = p_click * p_conversion. ``steps``: columns of the click and of the conversion.
    """
    click, conversion = steps
    columns = list(logits.unbind(1))
    columns[conversion] = logit_of_product(columns[click], columns[conversion])
    return torch.stack(columns, dim=1)


def entire_space_labels(labels: Tensor, funnel: Sequence[int]) -> Tensor:
    """Labels [B, T] with 0 for a conversion that is missing where the click is 0.

    A conversion without a click is impossible. It stays missing, NaN, where the click is 1 or
    missing. ``funnel``: indices of the click task and the conversion task.
    """
    click, conversion = funnel
    columns = list(labels.unbind(1))
    known = columns[conversion].isnan() & (columns[click] == 0)
    columns[conversion] = columns[conversion].masked_fill(known, 0.0)
    return torch.stack(columns, dim=1)


class EntireSpace(nn.Module):
    """A tower per task on shared features; the conversion's logit is that of pCTCVR = pCTR * pCVR.

    Missing labels: a conversion without a click is assumed to be impossible, so that a conversion
    that is missing where the click is 0 counts as 0. Elsewhere a missing conversion is left out of
    the loss.

    Args:
        funnel: indices of the click task and the conversion task.
        outputs: number of logits of each task; () if each has one.
        given_click: whether conversions are known after a click only. Then the conversion's logit
            in eval mode is that of pCVR, as its labels are.
    """

    def __init__(
        self,
        front: "PooledFront",
        towers: Towers,
        funnel: Sequence[int],
        outputs: Sequence[int],
        given_click: bool,
    ) -> None:
        super().__init__()
        self.front, self.towers = front, towers
        self.funnel, self.given_click = tuple(funnel), given_click
        self.steps = [output_columns(outputs, task).start for task in funnel]

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O], the conversion's that of pCTCVR or pCVR."""
        logits: Tensor = self.towers(self.front(dense, sparse))
        if self.given_click and not self.training:
            return logits
        return over_entire_space(logits, self.steps)

    def complete_labels(self, labels: Tensor) -> Tensor:
        """Labels for the losses: see `entire_space_labels`."""
        return entire_space_labels(labels, self.funnel)

    def soft_targets(self, logits: Tensor) -> Tensor:
        """A teacher's logits [B, O] as targets of this model's in training, whose conversion is
        that of pCTCVR even where that of the teacher is pCVR."""
        return over_entire_space(logits, self.steps) if self.given_click else logits


class PooledFront(nn.Module):
    """A `FeatureFront` that sums the embeddings within each group of fields.

    Fields outside all groups stay as they are. The output has ``width`` columns.

    Args:
        groups: names of sparse fields, by group.
        fields: names of all sparse fields, in the order of the ids.

    Raises ParamsError for an unknown field.
    """

    def __init__(
        self,
        inputs: Inputs,
        embedding_dim: int,
        dense_encoding: str,
        groups: Groups,
        fields: Sequence[str],
    ) -> None:
        super().__init__()
        self.front = FeatureFront(inputs, embedding_dim, dense_encoding)
        self.embedded, self.fields = self.front.table.width, len(inputs.cardinalities)
        self.pools = _pools(groups, fields, len(inputs.cardinalities)) if groups else []
        pooled = len(self.pools) * embedding_dim if groups else self.embedded
        self.width = self.front.width - self.embedded + pooled

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] or [B, F + 1] -> [B, width]."""
        x: Tensor = self.front(dense, sparse)
        if not self.pools:
            return x
        others, embedded = x.tensor_split([x.shape[1] - self.embedded], dim=1)
        by_field = torch.unflatten(embedded, 1, (self.fields, -1)).unbind(1)  # F of [B, E]
        sums = [torch.stack([by_field[field] for field in pool]).sum(dim=0) for pool in self.pools]
        return torch.cat([others, *sums], dim=1)


def _pools(groups: Groups, fields: Sequence[str], count: int) -> list[list[int]]:
    """Indices of the fields in each sum; a field outside all groups is a sum of its own."""
    numbers = {name: number for number, name in enumerate(fields)}
    for group, names in groups.items():
        for name in names:
            where = f"groups.{group} in the model's section"
            choose("sparse field", name, numbers, where, "correct the name")
    grouped = {numbers[name] for names in groups.values() for name in names}
    pools = [[number] for number in range(count) if number not in grouped]
    return pools + [[numbers[name] for name in names] for names in groups.values()]
