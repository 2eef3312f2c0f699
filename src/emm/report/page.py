"""The report page of one dataset."""

from collections.abc import Mapping, Sequence
from typing import Any

from emm.report.architecture_figure import architecture_file
from emm.report.class_figure import MOST_CLASSES, classes_file
from emm.report.data_tables import inferred_table, seen_sentence, split_table
from emm.report.evidence import Evidence
from emm.report.facts import FEW, DatasetFacts
from emm.report.figures import TRAINING, calibration_file, roc_file
from emm.report.markdown import render
from emm.report.members import PoolMembers, member_warnings, members_table
from emm.report.published import CITATION, PUBLISHED
from emm.report.remarks import AVERAGE, START
from emm.report.stacking import Stacking, stacking_sentences, stacking_table
from emm.report.students import StudentRow, students_table, teacher_sentences
from emm.report.summary import Summary
from emm.report.tables import (
    funnel_table,
    gauc_table,
    measures,
    new_rows_title,
    quality_table,
    score_table,
    seeds_phrase,
)
from emm.report.value_figure import values_file

NOTHING_KNOWN = Evidence()
NO_POOLS: Mapping[str, PoolMembers] = {}
NO_STACKING: Mapping[str, Stacking] = {}


def page(
    facts: DatasetFacts,
    recipe: str,
    summaries: Mapping[str, Summary],
    trained: Sequence[str],
    figures: str,
    searched: Sequence[str] = (),
    evidence: Evidence = NOTHING_KNOWN,
    pools: Mapping[str, PoolMembers] = NO_POOLS,
    students: Sequence[StudentRow] = (),
    stacked: Mapping[str, Stacking] = NO_STACKING,
) -> str:
    """Return the page's Markdown.

    Args:
        trained: the single-task models that Gain is measured against.
        figures: folder of the figures, relative to the page.
        searched: models whose architecture is drawn.
        evidence: what the test rows show besides the scores.
        pools: the members by fused model, of those with members from outside.
        students: those of the table.
        stacked: the steps of stacked models, by model.
    """
    seeds = [summary.totals.seeds for summary in summaries.values()]
    return render(
        "dataset.md.j2",
        facts=facts,
        recipe=recipe,
        trained=trained,
        figures=figures,
        searched={model: architecture_file(model) for model in searched},
        measures=measures(summaries),
        seeds=seeds_phrase(summaries),
        one_seed=1 in seeds,
        several_seeds=max(seeds) > 1,
        published=facts.name in PUBLISHED,
        citation=CITATION,
        split_table=split_table(facts),
        seen_sentence=seen_sentence(facts),
        new_rows=new_rows_title(summaries),
        inferred_table=inferred_table(facts),
        score_table=score_table(
            facts.name, summaries, trained, published=True, remarks=evidence.tasks
        ),
        gauc_table=gauc_table(summaries, evidence.tasks),
        funnel_table=funnel_table(summaries, evidence.funnel),
        quality_table=quality_table(summaries, evidence.tasks),
        **_evidence(evidence),
        **_fusions(pools, stacked, students),
        training_file=TRAINING,
        roc_file=roc_file,
        calibration_file=calibration_file,
        values_file=values_file,
        classes_file=classes_file,
        most_classes=MOST_CLASSES,
        largest_only=any(len(names) > MOST_CLASSES for names in facts.classes.values()),
    )


def _fusions(
    pools: Mapping[str, PoolMembers],
    stacked: Mapping[str, Stacking],
    students: Sequence[StudentRow],
) -> dict[str, Any]:
    """What the page says of fused models and of what learns from them."""
    return {
        "members_table": members_table(pools),
        "member_warnings": member_warnings(pools),
        "stacking_table": stacking_table(stacked),
        "stacking_sentences": stacking_sentences(stacked),
        "students_table": students_table(students),
        "teacher_sentences": teacher_sentences(students),
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    """What the page says of the test rows besides the scores."""
    return {
        "few": evidence.tasks.few,
        "few_steps": {step.upper(): few for step, few in evidence.funnel.few.items()},
        "fewest": FEW,
        "intervals": any(any(each.values()) for each in evidence.tasks.intervals.values()),
        "average": any(start.startswith(AVERAGE) for start in evidence.tasks.starts.values()),
        "start": any(start.startswith(START) for start in evidence.tasks.starts.values()),
        "weighted": evidence.weighted,
        "given_click": evidence.given_click,
    }
