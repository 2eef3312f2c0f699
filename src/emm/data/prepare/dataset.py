"""The dataset that a folder of conf/ describes: a registered one, or a custom one."""

from pathlib import Path

from emm.config.project import ConfigFile
from emm.core.errors import choose
from emm.data.custom.dataset import custom_dataset, split_of
from emm.data.custom.settings import CustomDataSettings, read_custom
from emm.data.datasets.dataset import DATASETS, Dataset, load_dataset
from emm.data.datasets.split_rules import Split
from emm.data.prepare.settings import read_preprocess, read_tasks


def dataset_of(data: ConfigFile, name: str, raw: Path) -> Dataset:
    """The dataset that a file of conf/ describes, with the tasks that it names.

    ``name``: of the registered dataset, or of the custom one, which is described from its files in
    ``raw``. Raises ParamsError for a dataset, task or column that doesn't exist.
    """
    tasks = read_tasks(data)
    custom = read_custom(data, tasks)
    if custom is None:
        choose("dataset", name, DATASETS, data.path, "choose one of the known datasets")
        dataset = load_dataset(name)
    else:
        preprocess = read_preprocess(data, tasks)
        sample, weight = preprocess.sample, preprocess.weight
        key = (sample.key,) if sample is not None and sample.key else ()
        carried = (*key, *preprocess.keep, *preprocess.raw, *([weight] if weight else []))
        dataset = custom_dataset(
            name, custom, raw, config=str(data.path), carried=carried, raw_columns=preprocess.raw
        )
    for task in tasks:
        choose("task", task, dataset.tasks, f"{data.path}: tasks", "correct the name")
    return dataset


def split_rule(data: ConfigFile, name: str) -> Split:
    """The rule that splits the dataset; ``data``, whose section `custom` is valid, describes it.

    ``name``: of the registered dataset, or of the custom one.
    """
    custom = data.read_optional("custom", CustomDataSettings)
    return load_dataset(name).split if custom is None else split_of(custom)
