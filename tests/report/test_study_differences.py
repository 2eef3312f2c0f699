"""How a study's models differ from their reference: pairs of seeds, and the primary family."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from torch import Tensor

from emm.metrics.procedures import Estimate
from emm.metrics.significance import delong_over_seeds, holm
from emm.metrics.uncertainty import ScoredRows, compare_procedures
from emm.report.facts import DatasetFacts
from emm.report.study_results import StudyTable, read_table
from emm.report.study_settings import BorrowedRow, StudyTableSettings
from tests.report.study_tables import LABELS, SETTINGS, TASKS, Write, folder, noisy, write_models

FIVE = {name: noisy(1.0 + place, 5, place) for place, name in enumerate(("tm-1", "mmoe", "emm"))}
EQUAL = noisy(1.5, 1, 9).expand(5, -1, -1).contiguous()
Read = Callable[..., StudyTable]


@pytest.fixture
def read(tmp_path: Path, write_evaluation: Write, facts: DatasetFacts) -> Read:
    def make(
        logits: Mapping[str, Tensor],
        settings: StudyTableSettings = SETTINGS,
        **options: tuple[str, ...],
    ) -> StudyTable:
        write_models(write_evaluation, folder(tmp_path), logits)
        return read_table(settings, facts, tmp_path, **options)

    return make


def compared(first: Tensor, second: Tensor, task: int, *, paired: bool = False) -> Estimate:
    label = LABELS[:, task].contiguous()
    rows = [ScoredRows(each[:, :, task].contiguous(), label) for each in (first, second)]
    return compare_procedures(*rows, paired=paired)


def test_the_seeds_of_independent_models_have_a_variance_each(read: Read) -> None:
    found = read(FIVE).results["mmoe"].differences
    for place, task in enumerate(TASKS):
        assert found[task].estimate == compared(FIVE["mmoe"], FIVE["emm"], place)


def test_models_of_one_pool_are_compared_by_pairs_of_seeds(read: Read) -> None:
    table = read(FIVE, pool=("tm-1", "emm"))
    paired = compared(FIVE["tm-1"], FIVE["emm"], 0, paired=True)
    assert table.results["tm-1"].differences["income"].estimate == paired
    independent = compared(FIVE["mmoe"], FIVE["emm"], 0)
    assert table.results["mmoe"].differences["income"].estimate == independent
    assert paired != compared(FIVE["tm-1"], FIVE["emm"], 0)


def test_models_of_one_pool_with_other_seeds_form_no_pairs(read: Read) -> None:
    logits = FIVE | {"tm-1": noisy(1.0, 3)}
    found = read(logits, pool=("tm-1", "emm")).results["tm-1"].differences["income"].estimate
    assert found == compared(logits["tm-1"], FIVE["emm"], 0)


def test_models_of_another_datasets_pool_form_no_pairs(
    read: Read, tmp_path: Path, write_evaluation: Write
) -> None:
    write_models(write_evaluation, folder(tmp_path, "held-out"), {"emm": FIVE["tm-1"]})
    borrowed = (BorrowedRow("held-out", "emm", "aligned_held_out"),)
    settings = StudyTableSettings(**{**vars(SETTINGS), "borrowed": borrowed})
    found = read(FIVE, settings, pool=("tm-1", "emm")).results
    independent = compared(FIVE["tm-1"], FIVE["emm"], 0)
    assert found["aligned_held_out"].differences["income"].estimate == independent


def test_a_model_of_one_seed_is_compared_for_these_trained_models(read: Read) -> None:
    logits = FIVE | {"mmoe": noisy(1.0, 1)}
    found = read(logits).results["mmoe"].differences["income"].estimate
    first, second = (logits[name][:, :, 0].contiguous() for name in ("mmoe", "emm"))
    assert not found.of_procedure
    assert found.p == delong_over_seeds(first, second, LABELS[:, 0].contiguous()).p


def test_a_model_whose_seeds_are_equal_is_deterministic(read: Read) -> None:
    results = read(FIVE | {"mmoe": EQUAL}).results
    assert [result.deterministic for result in results.values()] == [False, True, False]
    assert results["mmoe"].differences["income"].estimate.of_procedure


def test_the_primary_family_is_corrected_by_holm_and_nothing_else_is(read: Read) -> None:
    results = read(FIVE, against=("mmoe",)).results
    plain = [compared(FIVE["mmoe"], FIVE["emm"], place).p for place in (0, 1)]
    assert [d.primary for d in results["mmoe"].differences.values()] == holm(plain)
    assert [d.primary for d in results["tm-1"].differences.values()] == [None, None]


def test_all_models_and_tasks_are_one_family(read: Read) -> None:
    table = read(FIVE, against=("mmoe", "tm-1"))
    pairs = [(name, place) for name in ("mmoe", "tm-1") for place in (0, 1)]
    expected = holm([compared(FIVE[name], FIVE["emm"], place).p for name, place in pairs])
    found = [table.results[name].differences[TASKS[place]].primary for name, place in pairs]
    assert found == expected
    assert table.family
    assert table.family.comparisons == 4


@pytest.mark.parametrize("few", ["mmoe", "emm"])
def test_with_fewer_than_five_seeds_nothing_is_decided(read: Read, few: str) -> None:
    table = read(FIVE | {few: noisy(1.5, 4)}, against=("mmoe",))
    assert table.family
    assert (table.family.seeds, table.family.decides) == (4, False)
    assert [d.primary for d in table.results["mmoe"].differences.values()] == [None, None]


def test_models_outside_of_the_family_may_have_fewer_seeds(read: Read) -> None:
    table = read(FIVE | {"tm-1": noisy(1.5, 1)}, against=("mmoe",))
    assert table.family
    assert table.family.decides


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_deterministic_model_needs_no_five_seeds_if_that_is_known(read: Read, seeds: int) -> None:
    table = read(FIVE | {"mmoe": EQUAL[:seeds].contiguous()}, against=("mmoe",))
    assert table.family
    assert table.family.decides is (seeds > 1)
