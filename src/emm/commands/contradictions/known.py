"""What settings alone say of a dataset and its recipe."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from emm.config.active import Active
from emm.config.project import ConfigFile, Project
from emm.data.custom.settings import CustomDataSettings, read_custom
from emm.data.prepare.settings import PreprocessSettings, read_preprocess, read_tasks
from emm.data.tables.schema import BINARY
from emm.evaluation.settings import EvaluateSettings
from emm.fusion.settings import FusionSettings
from emm.training.settings import TrainingSettings


@dataclass(frozen=True)
class Known:
    """The valid sections of one dataset.

    Attributes:
        source: the registered dataset whose files it reads, if it isn't custom.
        kinds: the kind of each task.
    """

    project: Project
    dataset: str
    source: str
    data: ConfigFile
    recipe: ConfigFile
    tasks: tuple[str, ...]
    kinds: Mapping[str, str]
    custom: CustomDataSettings | None
    preprocess: PreprocessSettings
    evaluate: EvaluateSettings

    @classmethod
    def of(cls, project: Project, dataset: str) -> Self:
        """Read the sections; ParamsError if one isn't valid."""
        data = project.data(dataset)
        tasks = read_tasks(data)
        custom = read_custom(data, tasks)
        kinds = {name: task.kind for name, task in custom.custom_tasks.items()} if custom else {}
        return cls(
            project,
            dataset,
            project.source(dataset),
            data,
            project.recipe(dataset),
            tasks,
            {task: kinds.get(task, BINARY) for task in tasks},
            custom,
            read_preprocess(data, tasks),
            data.read("evaluate", EvaluateSettings),
        )

    @property
    def active(self) -> Active:
        return self.project.active

    @cached_property
    def training(self) -> TrainingSettings:
        return self.recipe.read("training", TrainingSettings)

    @cached_property
    def fusion(self) -> FusionSettings:
        return self.recipe.read("fusion", FusionSettings)

    def of_kind(self, *kinds: str) -> list[str]:
        """The tasks of these kinds."""
        return [task for task in self.tasks if self.kinds[task] in kinds]
