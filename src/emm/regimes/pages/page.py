"""The page of the regimes and its figures, from the files of results."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emm.core.files import atomic_folder, write_text
from emm.regimes.names import AVERAGE, EMM, TITLES, in_order
from emm.regimes.pages.figure import draw_pool
from emm.regimes.pages.sentences import (
    ALPHA,
    highest,
    mark,
    overall_sentences,
    pool_sentences,
    rows_text,
    steps_sentence,
)
from emm.regimes.results import PoolResults, Size, load_results, page_file, results_file
from emm.regimes.settings import Regimes
from emm.report.markdown import markdown_table, render


def write_page(regimes: Regimes, root: Path) -> None:
    """Write the page and the folder of its figures, which is replaced."""
    found = _all_results(regimes, root)
    page, titles = page_file(root), _titles(regimes)
    figures = page.with_suffix("")
    with atomic_folder(figures) as folder:
        for pool, results in found.items():
            draw_pool(folder / f"{pool}.svg", results, titles)
        if not found:
            (folder / ".gitkeep").touch()  # git has no empty folders
    write_text(page, page_text(regimes, found, figures.name))


def page_text(regimes: Regimes, found: Mapping[str, Sequence[PoolResults]], figures: str) -> str:
    """The page's Markdown; ``figures``: their folder, relative to the page."""
    every = [each for results in found.values() for each in results]
    planned = [(d, p) for d, each in regimes.datasets.items() for p in each.pools]
    done = {(each.dataset, each.pool) for each in every}
    return render(
        "regimes.md.j2",
        package="emm.regimes.pages",
        regimes=regimes,
        alpha=ALPHA,
        overall=[*overall_sentences(every)] if every else [],
        pools=[_pool(regimes, pool, results) for pool, results in found.items()],
        facts=_facts(regimes, every),
        missing=[f"`{d}-{p}`" for d, p in planned if (d, p) not in done],
        figures=figures,
    )


def _all_results(regimes: Regimes, root: Path) -> dict[str, list[PoolResults]]:
    """The results that there are, by pool."""
    found: dict[str, list[PoolResults]] = {}
    for pool in regimes.pools:
        files = [results_file(root, dataset, pool) for dataset in regimes.datasets]
        results = [load_results(file) for file in files if file.exists()]
        if results:
            found[pool] = results
    return found


def _pool(regimes: Regimes, pool: str, results: Sequence[PoolResults]) -> dict[str, Any]:
    titles = _titles(regimes)
    return {
        "name": pool,
        "title": regimes.pools[pool],
        "sentences": [*pool_sentences(results, titles)],
        "datasets": [
            {
                "title": titles[each.dataset],
                "task": each.task,
                "about": regimes.datasets[each.dataset].pools[pool].about,
                "members": ", ".join(f"{n} {auc:.4f}" for n, auc in each.members.items()),
                "table": _table(each),
                "differences": _differences(each),
                "steps": steps_sentence(each),
            }
            for each in results
        ],
    }


def _table(found: PoolResults) -> str:
    """AUC with the half of its interval, by method and number of joint rows."""
    header = ["method", *(rows_text(size) for size in found.sizes)]
    names = in_order(found.sizes[0].scores)
    rows = [[TITLES[name], *(_cell(size, name) for size in found.sizes)] for name in names]
    return markdown_table(header, rows)


def _cell(size: Size, name: str) -> str:
    score = size.scores[name]
    best = highest(size) == name
    text = f"{score.auc:.4f} ± {(score.high - score.low) / 2:.4f}"
    shown = f"**{text}**" if best else text
    return shown if name == EMM else shown + mark(size.differences[name])


def _differences(found: PoolResults) -> str:
    """EMM minus the average, its interval and p value, by number of joint rows."""
    header = [
        "joint rows",
        "draws",
        "EMM - average",
        "95 % interval",
        "p after Holm",
        "draws above",
    ]
    rows = []
    for size in found.sizes:
        each = size.differences[AVERAGE]
        rows.append(
            [
                rows_text(size),
                str(size.draws),
                f"{each.value:+.4f}".replace("-0.0000", "+0.0000"),
                f"{each.low:+.4f} to {each.high:+.4f}",
                f"{each.holm:.2g}",
                f"{each.better} of {size.draws}",
            ]
        )
    return markdown_table(header, rows)


def _facts(regimes: Regimes, every: Sequence[PoolResults]) -> str:
    """What the datasets' test splits hold."""
    by_dataset = {each.dataset: each for each in every}
    rows = [
        [
            _titles(regimes)[name],
            each.task,
            f"{each.test_rows:,}",
            f"{each.test_positives:,}",
            f"{each.sizes[-1].rows:,}",
        ]
        for name, each in by_dataset.items()
    ]
    header = ["dataset", "task", "test rows", "of them positive", "most joint rows"]
    return markdown_table(header, rows) if rows else ""


def _titles(regimes: Regimes) -> dict[str, str]:
    return {name: each.title for name, each in regimes.datasets.items()}
