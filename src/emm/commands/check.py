"""Check the configuration before anything runs: params.yaml, conf/, and the rows of dvc.yaml.

Models' sections are checked against the models' own signatures, without importing torch.
"""

from collections.abc import Callable, Iterator
from functools import partial

from emm.automtl.settings import SearchedSettings, SearchSettings
from emm.config.binding import choose
from emm.config.project import FROM_DATA, UNLISTED, ConfigFile, Project
from emm.config.signatures import keywords_of
from emm.core.errors import ParamsError
from emm.data.custom.settings import read_custom
from emm.data.datasets.source import SourceSettings
from emm.data.prepare.settings import CheckSettings, read_preprocess, read_tasks
from emm.evaluation.settings import EvaluateSettings
from emm.fusion.settings import FusedSettings, FusionSettings
from emm.models import MODELS
from emm.training.settings import OptimiserSettings, TrainingSettings, no_funnel
from emm.trees.settings import BoostingSettings
from fewshot.settings import read_episodes, read_image_set

DATA_SECTIONS = ("dataset", "source", "custom", "tasks", "preprocess", "check-data", "evaluate")
RECIPE_SECTIONS = ("training", "pretrain", "fusion", "train", "search")
SUPERNET = "emm.automtl.supernet:Supernet"


def check_project(project: Project) -> None:
    """Validate all settings of the active datasets; one ParamsError lists every fault."""
    checks = [
        *(check for dataset in project.active.datasets for check in _checks(project, dataset)),
        *(check for images in project.active.images for check in _image_checks(project, images)),
    ]
    faults = list(dict.fromkeys(fault for check in checks for fault in _fault(check)))
    if faults:
        raise ParamsError("\n".join(faults))


def _fault(check: Callable[[], object]) -> Iterator[str]:
    try:
        check()
    except ParamsError as error:
        yield str(error)


def _checks(project: Project, dataset: str) -> Iterator[Callable[[], object]]:
    """What there is to check about a dataset, each on its own so that all faults are found."""
    try:
        data, recipe = project.data(dataset), project.recipe(dataset)
        tasks = read_tasks(data)
    except ParamsError as error:
        yield partial(_raise, error)
        return
    yield partial(data.refuse_unknown, DATA_SECTIONS)
    yield partial(data.read, "source", SourceSettings)
    yield partial(read_custom, data, tasks)
    yield partial(read_preprocess, data, tasks)
    yield partial(data.read, "check-data", CheckSettings)
    yield partial(data.read, "evaluate", EvaluateSettings)
    yield partial(recipe.refuse_unknown, RECIPE_SECTIONS)
    yield partial(recipe.read, "training", TrainingSettings)
    yield partial(_check_pool, project, recipe)
    yield from _model_checks(project, dataset, recipe)


def _model_checks(
    project: Project, dataset: str, recipe: ConfigFile
) -> Iterator[Callable[[], object]]:
    active, read = project.active, recipe.read_model
    emm, automtl = MODELS["emm"], MODELS["automtl"]
    for name in active.trained:
        yield partial(read, f"pretrain.{name}", MODELS["single_task"], OptimiserSettings)
    for name in active.baselines:
        yield partial(_check_baseline, project, dataset, name)
    for name in active.fused:
        yield partial(read, f"train.{name}", emm, FusedSettings, ("pool",))
    for name in active.searched:
        yield partial(read, f"train.{name}", automtl, SearchedSettings, ("architecture",))
        yield partial(read, f"search.{name}", SUPERNET, SearchSettings)
    for name in UNLISTED:
        yield partial(recipe.read, f"train.{name}", BoostingSettings)


def _raise(error: ParamsError) -> None:
    raise error


def _check_baseline(project: Project, dataset: str, name: str) -> None:
    choose("model", name, MODELS, f"baselines in {project.file}", "correct the name")
    model, data = MODELS[name], project.data(dataset)
    project.recipe(dataset).read_model(f"train.{name}", model, OptimiserSettings, FROM_DATA)
    tasks = read_tasks(data)
    if "funnel" in keywords_of(model) and not read_preprocess(data, tasks).funnel:
        raise no_funnel(name, dataset, tasks)


def _check_pool(project: Project, recipe: ConfigFile) -> None:
    """The section `fusion`, whose networks must be trained."""
    for name in recipe.read("fusion", FusionSettings).networks:
        where, trained = f"{recipe.path}: fusion.networks", project.active.trained
        choose("trained model", name, trained, where, f"add it to `trained` in {project.file}")


def _image_checks(project: Project, images: str) -> Iterator[Callable[[], object]]:
    yield partial(read_image_set, project, images)
    for episodes in project.active.episodes:
        yield partial(read_episodes, project, images, episodes)
