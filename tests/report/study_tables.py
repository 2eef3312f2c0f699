"""Generated evaluations of a small study's table."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from emm.report.facts import DatasetFacts
from emm.report.study import write_study
from emm.report.study_files import read_all_stored, results_file, stored_table, write_stored
from emm.report.study_results import read_table, write_table_metrics
from emm.report.study_settings import StudySettings, StudyTableSettings

TASKS = ("income", "never-married")
SETTINGS = StudyTableSettings("One", "census-income", "tuned", ("tm-1", "mmoe", "emm"), "emm")
LABELS = (torch.arange(400).reshape(200, 2) % 3 == 0).to(torch.uint8)
Write = Callable[..., Path]


def noisy(strength: float, seeds: int = 2, draw: int | None = None) -> Tensor:
    """Logits [S, 200, 2] that rank the generated labels better the larger ``strength`` is."""
    generator = torch.Generator().manual_seed(seeds if draw is None else draw)
    return strength * LABELS.float() + torch.randn(seeds, 200, 2, generator=generator)


LOGITS = {"tm-1": noisy(0.1), "mmoe": noisy(1.0), "emm": noisy(2.0)}


def folder(root: Path, dataset: str = "census-income") -> Path:
    """Where a study's evaluations of one dataset are."""
    return root / f"data/evaluation/{dataset}/tuned"


def write_models(write_evaluation: Write, folder: Path, logits: Mapping[str, Tensor]) -> None:
    """Write an evaluation for each model's logits [S, 200, 2]."""
    for name, of_model in logits.items():
        aucs = {task: [0.95] * len(of_model) for task in TASKS}
        write_evaluation(folder, name, aucs, logits=of_model)


def run_table(
    name: str, study: StudySettings, facts: Mapping[str, DatasetFacts], root: Path, out: Path
) -> None:
    """Compute one table from the evaluations in ``root``; write its files into ``out``."""
    settings = study.tables[name]
    of = facts[settings.dataset]
    table = read_table(settings, of, root, pool=study.pool, against=study.against(name))
    write_table_metrics(out / "metrics" / name, table)
    write_stored(results_file(out, name), stored_table(table, of, study))


def run_study(
    study: StudySettings, facts: Mapping[str, DatasetFacts], root: Path, out: Path
) -> str:
    """Compute all tables and the page ``out``/study.md, and return it."""
    for name in study.tables:
        run_table(name, study, facts, root, out)
    return write_page(study, out)


def write_page(study: StudySettings, out: Path) -> str:
    """Write ``out``/study.md from the tables that are in ``out``, and return it."""
    write_study(study, read_all_stored(study, out), out / "study.md")
    return (out / "study.md").read_text()
