"""The report on a set of few-shot images: metrics, figures and the page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emm.core.files import atomic_folder, write_json, write_text
from emm.report.markdown import NOTHING, markdown_table, render
from fewshot.report.figures import CURVES, EPISODES, draw_curves, draw_episodes
from fewshot.report.results import PREDICTORS, PUBLISHED, Accuracy, EpisodeResults, metrics_of


@dataclass(frozen=True)
class ImageFacts:
    """What the page says about the images: their name in params.yaml and facts from their index."""

    name: str
    title: str
    licence: str
    homepage: str
    citation: str
    characters: int
    side: int


def write_few_shot_report(
    results: Mapping[str, EpisodeResults],
    facts: ImageFacts,
    recipe: str,
    *,
    metrics: Path,
    report: Path,
) -> None:
    """Write ``metrics``/maml.json, the page ``report``, and the folder of its figures.

    Args:
        results: by kind of episodes, in the order of the tables.
    """
    figures = report.with_suffix("")
    with atomic_folder(figures) as out:
        draw_curves(out / CURVES, results)
        draw_episodes(out / EPISODES, next(iter(results.values())))
    with atomic_folder(metrics) as out:
        write_json(out / "maml.json", metrics_of(results))
    write_text(report, page(results, facts, recipe, figures.name))


def page(
    results: Mapping[str, EpisodeResults], facts: ImageFacts, recipe: str, figures: str
) -> str:
    """Return the page's Markdown; ``figures`` is the figures' folder, relative to the page."""
    first = next(iter(results))
    tested = {each.evaluation.settings["test"]["episodes"] for each in results.values()}
    return render(
        "images.md.j2",
        package="fewshot.report",
        facts=facts,
        recipe=recipe,
        figures=figures,
        training_file=CURVES,
        episodes_file=EPISODES,
        shown=first,
        test_episodes=[f"{count:,}" for count in sorted(tested)],
        split_table=_split_table(results[first].evaluation.characters),
        accuracy_table=_accuracy_table(results, PUBLISHED.get(facts.name, {})),
        training_table=_training_table(results),
    )


def _split_table(characters: Mapping[str, int]) -> str:
    train = characters["train"]
    return markdown_table(
        ["split", "characters", "classes in episodes"],
        [
            ["train", f"{train:,}", f"{4 * train:,}, with rotations by 90 degrees"],
            *([s, f"{characters[s]:,}", f"{characters[s]:,}"] for s in ("validation", "test")),
        ],
    )


def _accuracy_table(
    results: Mapping[str, EpisodeResults], published: Mapping[str, Mapping[str, str]]
) -> str:
    found = {kind: each.evaluation.accuracies for kind, each in results.items()}
    counts = sorted({int(queries) for each in found.values() for queries in each})
    ours = [
        [
            text,
            str(count),
            *(_percent(each.get(str(count), {}).get(name)) for each in found.values()),
        ]
        for count in counts
        for name, text in PREDICTORS.items()
    ]
    authors = dict.fromkeys(author for kind in results for author in published.get(kind, {}))
    theirs = [
        [f"MAML, {author}", NOTHING]
        + [published.get(kind, {}).get(author, NOTHING) for kind in results]
        for author in authors
    ]
    return markdown_table(["accuracy, %", "queries per class", *results], [*ours, *theirs])


def _percent(accuracy: Accuracy | None) -> str:
    if accuracy is None:
        return NOTHING
    return f"{100 * accuracy.mean:.2f} ± {100 * accuracy.ci95:.2f}"


def _training_table(results: Mapping[str, EpisodeResults]) -> str:
    rows = {kind: _training(each) for kind, each in results.items()}
    header = ["", *next(iter(rows.values()))]
    return markdown_table(header, [[kind, *row.values()] for kind, row in rows.items()])


def _training(results: EpisodeResults) -> dict[str, str]:
    """The settings of one training and its outcome, by column."""
    settings, evaluation = results.evaluation.settings, results.evaluation
    training = settings["training"]
    values = {
        "filters": settings["network"]["filters"],
        "tasks per batch": training["tasks"],
        "queries per class": training["queries"],
        "inner rate": training["inner_rate"],
        "inner steps": training["inner_steps"],
        "order": training["order"],
        "inner steps in test": settings["test"]["inner_steps"],
        "kept iteration": f"{evaluation.best_iteration:,} / {training['iterations']:,}",
        "parameters": f"{evaluation.parameters:,}",
    }
    return {column: str(value) for column, value in values.items()}
