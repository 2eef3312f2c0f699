"""What people should know about the members of a pool: their scores, shares and checks."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from torch import nn

from emm.config.binding import bind
from emm.core.errors import DataError, ModelFileError
from emm.core.files import write_json
from emm.data.tables.rows import Rows
from emm.data.tables.schema import BINARY, CLASSES, REGRESSION
from emm.metrics.tasks import labelled, score
from emm.outside.member import Checked
from emm.training.fit import predict

MEMBERS = "members.json"
FORMAT = 1

Joined = Literal["cut", "rounds", "whole", "opaque"]

CHANCE = 0.01
"""An AUC this close to .5 is no better than chance."""
SEEN = 0.02
"""A model whose score on train is better than on validation by more than this has seen train."""


@dataclass(frozen=True)
class MemberFacts:
    """What is known about a member of a pool.

    Attributes:
        kind: of its file, or ``network`` or ``trees`` of the pipeline's own.
        join: ``cut`` into levels, by ``rounds`` of boosting, as a ``whole``, or ``opaque``.
        outside: whether it was trained elsewhere.
        checked: the comparison with the original's predictions; None without one.
        metric: ``auc`` (of classes the mean of one-vs-rest), or ``r2`` of a regression.
        validation, train: its score there; None where it isn't known or defined.
        share: its mean weight in the fusion of its task.
    """

    name: str
    task: str
    kind: str
    join: Joined
    outside: bool
    metric: Literal["auc", "r2"]
    validation: float | None
    train: float | None
    share: float
    checked: Checked | None = None

    def __str__(self) -> str:
        measure = "AUC" if self.metric == "auc" else "R²"
        validation = "unknown" if self.validation is None else f"{self.validation:.4f}"
        parts = [
            f"{self.name}: {self.kind} of {self.task}, {_JOINS[self.join]}",
            f"validation {measure} {validation}, share {self.share:.2f}",
        ]
        if self.outside and self.checked:
            parts.append(
                f"within {self.checked.largest_difference:.1g} of the original's predictions for "
                f"{self.checked.rows:,} rows"
            )
        elif self.outside:
            parts.append("unchecked")
        return "; ".join(parts)


_JOINS = {
    "cut": "cut into components",
    "rounds": "divided by rounds",
    "whole": "as a whole",
    "opaque": "opaque",
}


def warnings_of(member: MemberFacts) -> Iterator[str]:
    """What is suspicious about the scores of a model from outside."""
    if not member.outside or member.metric != "auc" or member.validation is None:
        return
    name, found = member.name, member.validation
    if abs(found - 0.5) <= CHANCE:
        yield (
            f"{name} is no better than chance on validation (AUC {found:.4f}): look whether its "
            "inputs read the right columns, in its own units, and whether it predicts "
            f"{member.task}"
        )
    elif found < 0.5:
        yield (
            f"{name} ranks the rows of validation in the wrong order (AUC {found:.4f}): it "
            f"seems to predict that {member.task} is 0; take the other class's probability"
        )
    if member.train is not None and member.train - found > SEEN:
        yield (
            f"{name} has seen rows of train: its AUC there is {member.train:.4f}, on validation "
            f"{found:.4f}; a fusion that learns on train trusts it too much, see fusion.fit_on"
        )


def quality(model: nn.Module, rows: Rows, task: int) -> float | None:
    """The score of a model of one task on its labelled rows; None if it isn't defined there.

    ``model``: dense [B, D], sparse [B, F] -> logits of the task.
    """
    kind = rows.kinds[task] if rows.kinds else BINARY
    predictions = predict(model, rows)
    if kind != CLASSES:
        predictions = predictions.squeeze(-1)
    label = rows.labels[:, task]
    if rows.partly_labelled:
        predictions, label = labelled(predictions, label)
    try:
        return score(kind, predictions, label)
    except DataError:  # rows of a single class
        return None


def metric_of(kind: str) -> Literal["auc", "r2"]:
    """The score of a kind of task."""
    return "r2" if kind == REGRESSION else "auc"


def save_facts(folder: Path, members: Sequence[MemberFacts]) -> None:
    """Write members.json to ``folder``; nothing without members."""
    if members:
        described = [asdict(member) for member in members]
        write_json(folder / MEMBERS, {"format": FORMAT, "members": described})


def load_facts(folder: Path) -> tuple[MemberFacts, ...]:
    """Read members.json; () if there is none. Raises ModelFileError if it is damaged."""
    path = folder / MEMBERS
    if not path.exists():
        return ()
    errors: list[str] = []
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        tree, errors = {}, [str(error)]
    if not isinstance(tree, dict) or tree.get("format") != FORMAT:
        errors.append(f"not of format {FORMAT}")
    found: tuple[MemberFacts, ...] | None = None
    if not errors:
        found = bind(tuple[MemberFacts, ...], tree.get("members"), "members", errors)
    if found is None or errors:
        raise ModelFileError(
            f"{path} is damaged: {'; '.join(errors)}",
            where=path,
            next_step="dvc checkout to restore it, or dvc repro",
        )
    return found


def pool_facts(seeds: Sequence[int], members: Sequence[Sequence[MemberFacts]]) -> dict[str, Any]:
    """The facts about the members of every seed as one JSON object.

    ``members``: of each seed, in the same order. What may differ by seed has a list of values.
    """
    found = []
    for same in zip(*members, strict=True):
        described = asdict(same[0])
        for key in _BY_SEED:
            described[key] = [getattr(each, key) for each in same]
        found.append(described)
    warnings = [each for of_seed in members for fact in of_seed for each in warnings_of(fact)]
    return {
        "format": FORMAT,
        "seeds": list(seeds),
        "members": found,
        "warnings": list(dict.fromkeys(warnings)),
    }


_BY_SEED = ("validation", "train", "share")


def with_shares(
    members: Sequence[MemberFacts], shares: Mapping[str, float]
) -> tuple[MemberFacts, ...]:
    """The members that have a share, with it."""
    return tuple(replace(x, share=shares[x.name]) for x in members if x.name in shares)
