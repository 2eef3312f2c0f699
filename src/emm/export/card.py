"""The model card of an export: README.md in the format of Hugging Face, with no date in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from emm.export.card_scores import CardScores, metadata, score_tables, seeds_sentence
from emm.export.made_of import MemberLine, arguments_text, members_table
from emm.export.signature import BundleSignature
from emm.report.data_tables import seen_sentence, split_table
from emm.report.facts import DatasetFacts
from emm.report.markdown import code, markdown_table, render
from emm.training.store import Description

_LICENCES = {
    "CC BY 4.0": "cc-by-4.0",
    "CC BY-SA 4.0": "cc-by-sa-4.0",
    "CC BY-NC 4.0": "cc-by-nc-4.0",
    "CC0 1.0": "cc0-1.0",
}
"""Licences of data by their names on Hugging Face."""
_SHOWN_COLUMNS = 60
_SHOWN_MEMBERS = 100


@dataclass(frozen=True)
class CardFacts:
    """What a card is made of.

    ``scores``: None of a model that has not been evaluated; ``descriptions``: of the stored models;
    ``identifiers``: reasons by column (`emm.export.identifiers`); ``teacher``: a student's
    teacher.json, {} of other models.
    """

    signature: BundleSignature
    facts: DatasetFacts
    descriptions: Sequence[Description]
    members: Sequence[MemberLine]
    warnings: Sequence[str]
    identifiers: Mapping[str, str]
    teacher: Mapping[str, Any]
    scores: CardScores | None


def card(known: CardFacts) -> str:
    """Return the card: metadata in YAML, and text in Markdown."""
    scores, facts, signature = known.scores, known.facts, known.signature
    text = render(
        "card.md.j2",
        package="emm.export",
        name=signature.name,
        source=signature.source,
        facts=facts,
        tasks=[code(task.name) for task in signature.tasks],
        split_table=split_table(facts),
        seen_sentence=seen_sentence(facts),
        tables=score_tables(scores, facts) if scores else [],
        seeds_sentence=seeds_sentence(scores) if scores else "",
        scores_new_rows=scores is not None and bool(scores.summary.new_rows),
        weighted=scores is not None and scores.weighted,
        totals=scores.summary.totals if scores else None,
        members_only=any(each.outside for each in known.members),
        several=len(known.descriptions) > 1,
        architectures=_architectures(known.descriptions),
        members_table=members_table(known.members[:_SHOWN_MEMBERS]),
        more_members=max(0, len(known.members) - _SHOWN_MEMBERS),
        warnings=known.warnings,
        teacher=known.teacher,
        identifiers=known.identifiers,
        inputs_table=_inputs_table(signature),
        more_inputs=max(0, len(signature.inputs) - _SHOWN_COLUMNS),
        outputs_table=_outputs_table(signature),
        example=score_example(),
        has_bags=any(each.role == "bag" for each in signature.inputs),
        has_dates=any(each.role == "date" for each in signature.inputs),
    )
    head = yaml.safe_dump(_head(known), sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{head}---\n\n{text}"


def score_example() -> str:
    """The lines that score golden.parquet with onnxruntime, numpy and Polars only."""
    file = resources.files("emm.export") / "templates" / "score.py.j2"
    return file.read_text(encoding="utf-8").rstrip()


def _head(known: CardFacts) -> dict[str, Any]:
    facts, kinds = known.facts, {task.kind for task in known.signature.tasks}
    only_values = kinds == {"regression"}
    pipeline = "tabular-regression" if only_values else "tabular-classification"
    head: dict[str, Any] = {
        **_licence(facts),
        "library_name": "onnx",
        "pipeline_tag": pipeline,
        "tags": ["multi-task-learning", "tabular", "onnx"],
    }
    if known.scores:
        results = [
            {
                "task": {"type": _task_type(kind), "name": task},
                "dataset": {"name": facts.title, "type": facts.name, "split": "test"},
                "metrics": metadata(known.scores)[task],
            }
            for task, kind in zip(facts.tasks, facts.all_kinds, strict=True)
        ]
        head["model-index"] = [{"name": known.signature.name, "results": results}]
    return head


def _task_type(kind: str) -> str:
    return "tabular-regression" if kind == "regression" else "tabular-classification"


def _licence(facts: DatasetFacts) -> dict[str, str]:
    """The licence of the data, which is all that is known about the model's."""
    for name, found in _LICENCES.items():
        if facts.licence == name:
            return {"license": found}
    if not facts.licence:
        return {"license": "unknown"}
    link = {"license_link": facts.source} if facts.source else {}
    return {"license": "other", "license_name": facts.licence, **link}


def _architectures(descriptions: Sequence[Description]) -> list[str]:
    """A line for each stored model: its tasks, architecture and arguments."""
    return [
        f"{', '.join(map(code, each.tasks))}: {code(each.architecture)}"
        + (f" with {arguments}" if (arguments := arguments_text(each)) else "")
        for each in descriptions
    ]


def _inputs_table(signature: BundleSignature) -> str:
    rows = [
        [code(each.name), code(each.column), each.type, each.role]
        for each in signature.inputs[:_SHOWN_COLUMNS]
    ]
    return markdown_table(["tensor", "column", "type", "role"], rows)


def _outputs_table(signature: BundleSignature) -> str:
    rows = []
    for each in signature.outputs:
        what = f"{each.step.upper()}, {each.gives}" if each.step else each.gives
        classes = next((t.classes for t in signature.tasks if (t.name,) == each.tasks), ())
        columns = ", ".join(map(code, classes)) if classes else "1"
        rows.append([code(each.name), ", ".join(map(code, each.tasks)), what, columns])
    return markdown_table(["tensor", "task", "gives", "columns"], rows)
