import json
from pathlib import Path

import numpy as np
import pytest

from emm.core.errors import ModelFileError
from emm.nn.structure import Layer, Structure
from emm.outside.member import (
    MEMBER,
    Checked,
    Join,
    MemberDescription,
    Quality,
    read_member,
    write_member,
)
from emm.outside.scores import SCORES, load_scores, save_scores

LAYER = Layer("front", Structure("Front", ((3,), ()), (8,), "Gemm"), linear=False)
CUT = MemberDescription(
    "risk",
    "income",
    "onnx",
    "0" * 64,
    "raw",
    {"b": "age * 2", "a": "sex"},
    "probability",
    Join("cut", None, 8, (LAYER,), {"layers": [{"a": 1}]}),
    Checked(50, 1e-7, 1e-5, "float32"),
    Quality("auc", 0.8, None),
    ("said",),
)


def test_a_description_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_member(tmp_path, CUT)
    found = read_member(tmp_path)
    assert found == CUT
    assert [*found.inputs] == ["b", "a"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tree: tree.update(format=9), "another format"),
        (lambda tree: tree.pop("task"), "is damaged: task: missing"),
        (lambda tree: tree["join"].update(kind="pickle"), "is damaged: join.kind"),
        (lambda tree: tree.update(code="x"), "is damaged: code: unknown key"),
    ],
)
def test_a_damaged_description_is_refused(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    write_member(tmp_path, CUT)
    tree = json.loads((tmp_path / MEMBER).read_text())
    change(tree)
    (tmp_path / MEMBER).write_text(json.dumps(tree))
    with pytest.raises(ModelFileError, match=message):
        read_member(tmp_path)


def test_a_missing_description_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"can't be read(.|\n)*dvc repro score"):
        read_member(tmp_path)


def test_scores_of_one_split(tmp_path: Path) -> None:
    sizes = {"train": 4, "validation": 3, "test": 2}
    made = {s: np.arange(n * 2, dtype=np.float32).reshape(n, 2) + n for s, n in sizes.items()}
    save_scores(tmp_path, made)
    for split, rows in sizes.items():
        assert load_scores(tmp_path, split, rows, 2).tolist() == made[split].tolist()


def test_scores_of_other_rows_are_refused(tmp_path: Path) -> None:
    zeros = np.zeros((3, 1), np.float32)
    save_scores(tmp_path, {"train": zeros, "validation": zeros, "test": zeros})
    for rows, width in ((4, 1), (3, 2)):
        with pytest.raises(ModelFileError, match=r"those of other rows(.|\n)*got: \[3, 1\]"):
            load_scores(tmp_path, "train", rows, width)
    (tmp_path / SCORES).write_bytes(b"damaged")
    with pytest.raises(ModelFileError, match="can't be read"):
        load_scores(tmp_path, "train", 3, 1)
