"""A study's table is kept as a file without loss, and a file that doesn't fit is refused."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from emm.core.errors import DataError
from emm.report.facts import DatasetFacts
from emm.report.study_files import (
    StoredTable,
    read_all_stored,
    read_stored,
    results_file,
    write_stored,
)
from emm.report.study_settings import (
    BorrowedRow,
    PrimaryFamily,
    StudySettings,
    StudyTableSettings,
)
from tests.report.random_tables import STORED
from tests.report.shop import MODELS, drawn_seen, with_seen
from tests.report.study_tables import LOGITS, SETTINGS, Write, folder, run_table, write_models

NEXT = "run the table again"


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(STORED)
def test_what_is_read_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, stored: StoredTable
) -> None:
    path = tmp_path_factory.mktemp("results") / "one.json"
    write_stored(path, stored)
    assert read_stored(path, NEXT) == stored


FAMILY = PrimaryFamily("one", ("tm-1", "mmoe"))
STUDY = StudySettings({"one": SETTINGS}, FAMILY, ("tm-1", "emm"))


@pytest.fixture
def root(tmp_path: Path, write_evaluation: Write, facts: DatasetFacts) -> Path:
    write_models(write_evaluation, folder(tmp_path), LOGITS)
    run_table("one", STUDY, {"census-income": facts}, tmp_path, tmp_path)
    return tmp_path


def change(root: Path, edit: Callable[[dict[str, Any]], object], name: str = "one") -> None:
    path = results_file(root, name)
    tree = json.loads(path.read_text())
    edit(tree)
    path.write_text(json.dumps(tree))


def test_a_file_has_no_infinity(root: Path) -> None:
    path = results_file(root, "one")
    stored = read_stored(path, NEXT)
    found = stored.table.results["mmoe"].differences["income"]
    estimate = replace(found.estimate, degrees_of_freedom=math.inf)
    results = replace(
        stored.table.results["mmoe"], differences={"income": replace(found, estimate=estimate)}
    )
    write_stored(path, replace(stored, table=replace(stored.table, results={"mmoe": results})))
    assert "Infinity" not in path.read_text()
    back = read_stored(path, NEXT).table.results["mmoe"].differences["income"]
    assert back.estimate.degrees_of_freedom == math.inf


def test_the_seen_rows_are_kept_as_counts(
    tmp_path: Path, write_shop: Write, shop: DatasetFacts
) -> None:
    for model in MODELS:
        write_shop(tmp_path, model)
    study = StudySettings({"one": StudyTableSettings("One", "shop", "tuned", MODELS, "emm")})
    facts = with_seen(shop, drawn_seen())
    run_table("one", study, {"shop": facts}, tmp_path, tmp_path)
    stored = read_all_stored(study, tmp_path)["one"]
    assert stored.seen == {"validation": 0, "test": int(drawn_seen().sum())}
    assert stored.facts == shop


def test_a_table_without_a_file_is_none_of_the_tables(root: Path) -> None:
    study = replace(STUDY, tables={"other": SETTINGS, "one": SETTINGS})
    assert list(read_all_stored(study, root)) == ["one"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("title", "New"),
        ("remark", "New."),
        ("goals", {"income": 0.9}),
        ("published", {"emm": "emm_paper"}),
    ],
)
def test_what_no_number_depends_on_is_that_of_today(root: Path, key: str, value: object) -> None:
    today = replace(SETTINGS, **{key: value})  # type: ignore[arg-type]
    table = read_all_stored(replace(STUDY, tables={"one": today}), root)["one"].table
    assert getattr(table.settings, key) == value


OTHERS = {
    "rows": {"rows": ("mmoe", "emm", "tm-1")},
    "reference": {"reference": "mmoe"},
    "dataset": {"dataset": "census-income-3"},
    "recipe": {"recipe": "paper"},
    "trained": {"trained": ("tm-1",)},
    "borrowed": {"borrowed": (BorrowedRow("held-out", "emm", "other"),)},
}


@pytest.mark.parametrize("key", OTHERS)
def test_a_file_of_other_settings_is_refused(root: Path, key: str) -> None:
    study = replace(STUDY, tables={"one": replace(SETTINGS, **OTHERS[key])})  # type: ignore[arg-type]
    message = rf"(?s)table 'one' was computed with other settings: {key}.*dvc repro table-one`"
    with pytest.raises(DataError, match=message):
        read_all_stored(study, root)


@pytest.mark.parametrize(
    ("key", "study"),
    [
        ("primary family", replace(STUDY, primary=None)),
        ("primary family", replace(STUDY, primary=PrimaryFamily("one", ("mmoe",)))),
        ("pool", replace(STUDY, pool=("tm-1", "mmoe", "emm"))),
    ],
)
def test_a_file_of_another_family_or_pool_is_refused(
    root: Path, key: str, study: StudySettings
) -> None:
    with pytest.raises(DataError, match=f"'one' was computed with other settings: {key}"):
        read_all_stored(study, root)


def test_a_file_with_other_models_than_its_settings_is_refused(root: Path) -> None:
    change(root, lambda tree: tree["table"]["results"].pop("mmoe"))
    with pytest.raises(DataError, match="models of the results"):
        read_all_stored(STUDY, root)


def test_tables_about_other_data_are_refused(root: Path, facts: DatasetFacts) -> None:
    study = replace(STUDY, tables={"one": SETTINGS, "two": SETTINGS})
    run_table("two", study, {"census-income": facts}, root, root)
    assert list(read_all_stored(study, root)) == ["one", "two"]
    change(root, lambda tree: tree["facts"]["rows"].update(train=1), "two")
    with pytest.raises(DataError, match=r"(?s)'two' is about other data.*table-one table-two`"):
        read_all_stored(study, root)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda tree: tree["table"].pop("weighted", None) or tree.pop("seen"), "seen"),
        (lambda tree: tree["facts"].pop("licence"), "licence"),
        (lambda tree: tree.update(more=1), "more"),
        (lambda tree: tree["table"].update(tasks="income"), "tasks"),
    ],
)
def test_a_file_of_another_version_names_the_next_step(
    root: Path, edit: Callable[[dict[str, Any]], object], message: str
) -> None:
    change(root, edit)
    expected = rf"(?s)one.json has unexpected content.*{message}.*dvc repro table-one`"
    with pytest.raises(DataError, match=expected):
        read_all_stored(STUDY, root)


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"table": ', "NaN"])
def test_a_damaged_file_names_the_next_step(root: Path, text: str) -> None:
    results_file(root, "one").write_text(text)
    with pytest.raises(DataError, match="dvc repro table-one`"):
        read_all_stored(STUDY, root)
