"""The markdown page of a set of few-shot images, and everything beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from emm.core.files import atomic_folder, write_json, write_text
from emm.report.tables import NOTHING, markdown_table
from fewshot.report.figures import CURVES, EPISODES, draw_curves, draw_episodes
from fewshot.report.results import PREDICTORS, PUBLISHED, Accuracy, EpisodeResults, metrics_of


@dataclass(frozen=True)
class ImageFacts:
    """What the page says of the images: as params.yaml calls them, and what their index tells."""

    name: str
    title: str
    licence: str
    homepage: str
    citation: str
    characters: int
    side: int


def write_few_shot_report(
    rows: Mapping[str, EpisodeResults],
    facts: ImageFacts,
    recipe: str,
    *,
    metrics: Path,
    report: Path,
) -> None:
    """Write ``metrics``/maml.json, the page ``report``, and its figures in the folder beside it.

    ``rows``: by kind of episodes, in the order of the table.
    """
    figures = report.with_suffix("")
    with atomic_folder(figures) as out:
        draw_curves(out / CURVES, rows)
        draw_episodes(out / EPISODES, next(iter(rows.values())))
    with atomic_folder(metrics) as out:
        write_json(out / "maml.json", metrics_of(rows))
    write_text(report, page(rows, facts, recipe, figures.name))


def page(rows: Mapping[str, EpisodeResults], facts: ImageFacts, recipe: str, figures: str) -> str:
    """The page's text; ``figures`` is the folder of the figures as seen from the page."""
    first = next(iter(rows))
    sections = [
        f"# {facts.title}: few-shot images",
        f"Recipe `{recipe}`. Written by `dvc repro`; a change made here is overwritten.",
        _data(rows[first], facts),
        _results(rows, facts),
        _training(rows, figures),
        f"## Episodes\n\nThe first test episodes of {first}. Above the line the support images, "
        "one class a column, which the network adapts to; below queries of the same classes. "
        f"Framed: predicted as another class.\n\n![Episodes]({quote(f'{figures}/{EPISODES}')})",
        _reading(),
        _repeating(facts, recipe),
    ]
    return "\n\n".join(sections) + "\n"


def _data(row: EpisodeResults, facts: ImageFacts) -> str:
    parts = row.evaluation.characters
    table = markdown_table(
        ["split", "characters", "classes in episodes"],
        [
            ["train", f"{parts['train']:,}", f"{4 * parts['train']:,}, with turns by 90 degrees"],
            *([part, f"{parts[part]:,}", f"{parts[part]:,}"] for part in ("validation", "test")),
        ],
    )
    return (
        f"## Data\n\n{facts.characters:,} characters, each drawn by 20 people, in "
        f"{facts.side} x {facts.side} pixels.\n\n{table}\n\n"
        f"- Source: [{facts.homepage}]({facts.homepage}). {facts.citation}\n"
        f"- Licence: {facts.licence}"
    )


def _results(rows: Mapping[str, EpisodeResults], facts: ImageFacts) -> str:
    published = PUBLISHED.get(facts.name, {})
    printed = list(dict.fromkeys(who for kind in rows for who in published.get(kind, {})))
    found = {kind: row.evaluation.accuracies for kind, row in rows.items()}
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
    others = [
        [f"MAML, {who}", NOTHING, *(published.get(kind, {}).get(who, NOTHING) for kind in rows)]
        for who in printed
    ]
    tested = sorted({row.evaluation.settings["test"]["episodes"] for row in rows.values()})
    table = markdown_table(["accuracy, %", "queries a class", *rows], [*ours, *others])
    return (
        f"## Results\n\nOn {' and '.join(f'{count:,}' for count in tested)} episodes of test "
        "characters, ± half of the 95 % confidence interval over episodes. One network and seed "
        f"for each kind of episodes.\n\n{table}"
    )


def _percent(accuracy: Accuracy | None) -> str:
    if accuracy is None:
        return NOTHING
    return f"{100 * accuracy.mean:.2f} ± {100 * accuracy.ci95:.2f}"


def _training(rows: Mapping[str, EpisodeResults], figures: str) -> str:
    keys = ("filters", "tasks a batch", "queries a class", "inner rate", "inner steps", "order")
    header = ["", *keys, "steps in test", "best of iterations", "parameters"]
    table = markdown_table(header, [[kind, *_settings(row)] for kind, row in rows.items()])
    return (
        f"## Training\n\n{table}\n\nValidation accuracy on episodes of the validation characters; "
        "a dot marks the iteration whose weights were kept.\n\n"
        f"![Validation accuracy]({quote(f'{figures}/{CURVES}')})"
    )


def _settings(row: EpisodeResults) -> list[str]:
    settings, evaluation = row.evaluation.settings, row.evaluation
    training = settings["training"]
    values = [
        settings["network"]["filters"],
        training["tasks"],
        training["queries"],
        training["inner_rate"],
        training["inner_steps"],
        training["order"],
        settings["test"]["inner_steps"],
        f"{evaluation.best_iteration:,} / {training['iterations']:,}",
        f"{evaluation.parameters:,}",
    ]
    return [str(value) for value in values]


def _reading() -> str:
    points = [
        "Batch norm takes its statistics from the query images at hand, all of an episode's "
        "together (the transductive setting of the MAML paper): a prediction depends on the other "
        "queries.",
        "As in the paper's code the characters are split at random over all alphabets, 1,200 of "
        "them to train and choose on. Which ones is drawn anew, so that rows with published "
        "numbers don't share their test characters.",
        "Hyper-parameters and iteration were chosen on the validation characters. The test "
        "characters are read by meta-test alone.",
        "The paper's code tests on as many queries a class as there are shots: its numbers compare "
        "with the rows of one query. It trains 60,000 iterations of 32 tasks (20-way: 16) with 64 "
        "filters; the table of training says what was done here.",
        "The confidence interval is over episodes of one trained network: it says nothing about "
        "another seed.",
    ]
    return "## How to read\n\n" + "\n".join(f"- {point}" for point in points)


def _repeating(facts: ImageFacts, recipe: str) -> str:
    return (
        f"## How to repeat\n\nIn `params.yaml`: `recipe: {recipe}` and `few-shot.images: "
        f"[{facts.name}]`, then\n\n```\ndvc repro meta-report@{facts.name}\n```\n\n"
        f"Knobs: `few-shot.sets.{facts.name}`, section `{recipe}`."
    )
