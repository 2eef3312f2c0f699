"""Arguments of a model that come from the data."""

from dataclasses import replace
from math import nan
from pathlib import Path

import pytest
import torch
from torch import nn

from emm.automtl.supernet import Supernet
from emm.core.errors import DataError, ParamsError
from emm.data.tables.rows import RowTensors
from emm.data.tables.schema import Split
from emm.models.aitm import AITM
from emm.models.esmm import ESMM
from emm.models.home import HoME
from emm.models.mmoe import MMoE
from emm.models.single_task import SingleTask
from emm.training.context import arguments_of_data, open_context
from tests.training.tiny import SCHEMA, TASKS, save_processed, table, training

FUNNEL = replace(SCHEMA, funnel=(TASKS[1], TASKS[0]))


def rows(labels: list[list[int]]) -> RowTensors:
    return replace(table(len(labels), 0), labels=torch.tensor(labels).byte())


def test_a_funnel_model_gets_its_steps_and_the_names_of_the_fields() -> None:
    train = rows([[0, 0], [0, 1], [1, 1]])
    assert arguments_of_data(ESMM, FUNNEL, train) == {"funnel": [1, 0], "fields": ["id"]}


def test_a_model_that_can_do_without_a_funnel_gets_a_declared_one() -> None:
    train = rows([[0, 0], [0, 1], [1, 1]])
    assert arguments_of_data(AITM, FUNNEL, train) == {"funnel": [1, 0]}
    assert arguments_of_data(AITM, SCHEMA, train) == {}


def test_most_models_need_no_arguments_from_data() -> None:
    assert arguments_of_data(MMoE, SCHEMA, rows([[1, 0]])) == {}


def test_the_names_of_the_tasks_are_those_of_the_data() -> None:
    assert arguments_of_data(HoME, SCHEMA, rows([[1, 0]])) == {"task_names": TASKS}


CLASSES = replace(SCHEMA, kinds={TASKS[1]: "classes"}, classes={TASKS[1]: ("a", "b", "c")})


@pytest.mark.parametrize("model", [MMoE, SingleTask, Supernet])
def test_the_number_of_logits_comes_from_the_classes(model: type[nn.Module]) -> None:
    assert arguments_of_data(model, CLASSES, rows([[1, 2]])) == {"outputs": (1, 3)}


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ([[nan, 0], [1, 1], [nan, nan]], {"given_click": True}),
        ([[0, 0], [1, 1], [nan, nan]], {}),  # known without a click, too
        ([[0, 0], [1, 1], [nan, 1]], {}),
    ],
)
def test_a_funnel_model_knows_whether_conversions_are_given_a_click(
    labels: list[list[float]], found: dict[str, bool]
) -> None:
    splits = {"train": Split(3, {}, labelled={TASKS[0]: 2, TASKS[1]: 2})}
    train = replace(table(3, 0), labels=torch.tensor(labels), partly_labelled=True)
    arguments = arguments_of_data(ESMM, replace(FUNNEL, splits=splits), train)
    assert arguments == {"funnel": [1, 0], "fields": ["id"], **found}


def test_without_a_funnel_nothing_is_given_a_click() -> None:
    splits = {"train": Split(2, {}, labelled={TASKS[0]: 1, TASKS[1]: 2})}
    labels = torch.tensor([[nan, 0], [1, 1]])
    train = replace(table(2, 0), labels=labels, partly_labelled=True)
    assert arguments_of_data(AITM, replace(SCHEMA, splits=splits), train) == {}


def test_tasks_not_declared_as_a_funnel_are_rejected() -> None:
    with pytest.raises(ParamsError) as error:
        arguments_of_data(ESMM, SCHEMA, rows([[1, 1]]))
    assert str(error.value).splitlines() == [
        "ESMM needs a funnel, and the tasks of tiny aren't declared as one",
        "  where: conf/tiny/data.yaml: preprocess.funnel",
        "  got: no funnel among t0, t1",
        "  expected: two tasks in their order, such as [click, purchase]",
        "  next: name them there if every row with the second has the first; else take ESMM out of"
        " `baselines`",
    ]


def test_a_conversion_without_a_click_is_rejected() -> None:
    with pytest.raises(DataError) as error:
        arguments_of_data(ESMM, FUNNEL, rows([[1, 0], [1, 1], [0, 1], [1, 0]]))
    assert "the tasks of tiny aren't one" in str(error.value)
    assert "got: t0 without t1 in 2 of 4 rows" in str(error.value)


def test_streamed_labels_are_checked(tmp_path: Path) -> None:
    save_processed(tmp_path / "processed")
    context = open_context(tmp_path / "processed", "paper", training(), memory_gib=1e-6)
    assert not isinstance(context.train, RowTensors)
    with pytest.raises(DataError, match="the tasks of tiny aren't one"):
        arguments_of_data(ESMM, FUNNEL, context.train)
