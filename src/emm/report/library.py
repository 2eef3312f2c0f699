"""PaddleRec's published multi-task results next to ours.

Its README has one number per model, mostly with two digits and without the task; on Census-Income
the number can only be that of never-married. See https://github.com/PaddlePaddle/PaddleRec,
models/multitask.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_LIBRARY = "[PaddleRec](https://github.com/PaddlePaddle/PaddleRec/tree/master/models/multitask)"
_CENSUS, _FEW_SHOT = "census-income", "omniglot"


class Entry(NamedTuple):
    """A published result and where to find ours.

    Args:
        model: the library's name of the model.
        file: our metrics file, with a placeholder {recipe}; None if we have no result.
        keys: path to the number in that file.
        note: why we have no result.
    """

    model: str
    dataset: str
    measure: str
    published: str
    file: str | None
    keys: Sequence[str] = ()
    note: str = ""


_AUC = ("never-married", "auc")
_NO_DATA = "its data needs a login; its files' format is tested"
ENTRIES = (
    Entry("MMoE", _CENSUS, "AUC", "0.99324", f"{_CENSUS}/{{recipe}}/mmoe.json", _AUC),
    Entry("SharedBottom", _CENSUS, "AUC", "0.99", f"{_CENSUS}/{{recipe}}/shared_bottom.json", _AUC),
    Entry("PLE", _CENSUS, "AUC", "0.99", f"{_CENSUS}/{{recipe}}/ple.json", _AUC),
    Entry("ESMM", "ali-ccp", "AUC", "0.82", None, note=_NO_DATA),
    Entry("AITM", "ali-ccp", "AUC, click / purchase", "0.6186 / 0.6525", None, note=_NO_DATA),
    Entry(
        "MAML",
        _FEW_SHOT,
        "accuracy, 5-way 1-shot",
        "0.98",
        f"{_FEW_SHOT}/tuned/maml.json",
        ("5-way-1-shot", "queries_1", "accuracy"),
    ),
)


def library_table(metrics: Path, recipe: str) -> str:
    """Return the table of published results and ours, read from the folder ``metrics``.

    A model without a metrics file is "not run".
    """
    head = "| model | dataset | measure | library | ours |\n|:---|:---|:---|---:|---:|"
    lines = [
        f"| {entry.model} | `{entry.dataset}` | {entry.measure} | {entry.published} "
        f"| {_ours(metrics, entry, recipe)} |"
        for entry in ENTRIES
    ]
    title = f"Next to {_LIBRARY}'s table; on Census-Income its task is *never-married*:"
    return "\n".join([f"{title}\n", head, *lines])


def _ours(metrics: Path, entry: Entry, recipe: str) -> str:
    if entry.file is None:
        return f"not run: {entry.note}"
    path = metrics / entry.file.format(recipe=recipe)
    if not path.exists():
        return "not run"
    found: Any = json.loads(path.read_text(encoding="utf-8"))
    for key in entry.keys:
        found = found[key] if isinstance(found, Mapping) else None
    return f"{float(found):.5f}" if entry.measure == "AUC" else f"{float(found):.4f}"
