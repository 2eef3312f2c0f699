from pathlib import Path

from emm.data.datasets.adult import DATASET
from tests.data.datasets.reading import labels, read

CLERK = (
    "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, "
    "Male, 2174, 0, 40, United-States, <=50K"
)
MANAGER = (
    "50, ?, 83311, Masters, 14, Married-civ-spouse, ?, Husband, White, Male, 0, 0, 60, ?, >50K"
)
PUBLISHED = {
    "adult.data": f"{CLERK}\n{MANAGER}\n\n",
    "adult.test": f"|1x3 Cross validator\n{CLERK}.\n{MANAGER}.\n\n",
}


def test_labels_of_both_files(tmp_path: Path) -> None:
    for part in DATASET.parts:
        rows, _ = read(DATASET, tmp_path, PUBLISHED, part)
        found = {task: labels(DATASET, rows, task) for task in DATASET.tasks}
        assert found == {"income": [0, 1], "never-married": [1, 0], "long-hours": [0, 1]}


def test_the_comment_of_the_published_test_is_no_row(tmp_path: Path) -> None:
    rows, rejected = read(DATASET, tmp_path, PUBLISHED, "test")
    assert len(rows) == 2
    assert [line for line, _ in rejected if line == 1]


def test_question_marks_are_missing(tmp_path: Path) -> None:
    rows, _ = read(DATASET, tmp_path, PUBLISHED, "train")
    assert rows["workclass"].to_list() == ["State-gov", None]
    assert rows["native_country"].to_list() == ["United-States", None]


def test_an_unknown_value_behind_a_label_is_no_label(tmp_path: Path) -> None:
    other = CLERK.replace("Never-married", "?").replace("<=50K", "?").replace(" 40,", " ?,")
    rows, _ = read(DATASET, tmp_path, {"adult.data": f"{other}\n"}, "train")
    assert all(labels(DATASET, rows, task) == [None] for task in DATASET.tasks)


def test_what_reveals_a_label_is_no_feature() -> None:
    behind = {column for task in DATASET.tasks.values() for column in task.made_from}
    assert not {*behind, "fnlwgt"} & {*DATASET.dense, *DATASET.sparse}
