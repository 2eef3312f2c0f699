"""The report page of one dataset."""

from collections.abc import Mapping, Sequence

from emm.report.architecture_figure import architecture_file
from emm.report.facts import DatasetFacts
from emm.report.figures import TRAINING, calibration_file, roc_file
from emm.report.markdown import render
from emm.report.published import CITATION, PUBLISHED
from emm.report.summary import Summary
from emm.report.tables import (
    funnel_table,
    gauc_table,
    measures,
    quality_table,
    score_table,
    seeds_phrase,
    split_table,
)
from emm.report.value_figure import values_file


def page(
    facts: DatasetFacts,
    recipe: str,
    summaries: Mapping[str, Summary],
    trained: Sequence[str],
    figures: str,
    searched: Sequence[str] = (),
) -> str:
    """Return the page's Markdown.

    Args:
        trained: the single-task models that Gain is measured against.
        figures: folder of the figures, relative to the page.
        searched: models whose architecture is drawn.
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
        score_table=score_table(facts.name, summaries, trained, published=True),
        gauc_table=gauc_table(summaries),
        funnel_table=funnel_table(summaries),
        quality_table=quality_table(summaries),
        training_file=TRAINING,
        roc_file=roc_file,
        calibration_file=calibration_file,
        values_file=values_file,
    )
