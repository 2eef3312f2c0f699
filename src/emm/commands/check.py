"""Check the configuration before anything runs: params.yaml, conf/, and the rows of dvc.yaml.

Models' sections are checked against the models' own signatures, without importing torch.
"""

from collections.abc import Callable, Iterator
from functools import partial

from emm.automtl.settings import SearchedSettings, SearchSettings
from emm.commands.contradictions import contradictions
from emm.config.project import FROM_DATA, ConfigFile, Project
from emm.config.signatures import REQUIRED, keywords_of
from emm.core.errors import ParamsError, choose
from emm.data.custom.settings import read_custom
from emm.data.datasets.source import SourceSettings
from emm.data.prepare.settings import CheckSettings, read_preprocess, read_tasks
from emm.evaluation.settings import EvaluateSettings
from emm.fusion.settings import FusedSettings, FusionSettings
from emm.fusion.student_settings import split_student
from emm.models import MODELS
from emm.training.settings import OptimiserSettings, TrainingSettings, no_funnel
from emm.training.structures import read_structure
from emm.trees.catboost_package import require_catboost
from emm.trees.settings import read_boosting
from fewshot.settings import read_episodes, read_image_set

DATA_SECTIONS = ("dataset", "source", "custom", "tasks", "preprocess", "check-data", "evaluate")
RECIPE_SECTIONS = ("training", "pretrain", "fusion", "train", "search")
SUPERNET = "emm.automtl.supernet:Supernet"

Checks = Iterator[Callable[[], object]]
"""What there is to check, each on its own so that all faults are found."""


def check_project(project: Project) -> None:
    """Validate all settings of the active datasets; one ParamsError lists every fault."""
    kinds = [_data_checks, _recipe_checks, _model_checks, _contradictions]
    groups = [
        *(kind(project, dataset) for dataset in project.active.datasets for kind in kinds),
        *(_image_checks(project, images) for images in project.active.images),
    ]
    faults = list(dict.fromkeys(fault for checks in groups for fault in _faults(checks)))
    if faults:
        raise ParamsError("\n".join(faults))


def _faults(checks: Checks) -> Iterator[str]:
    """The faults that the checks find, and the one that ends them: a file that can't be read."""
    try:
        for check in checks:
            try:
                check()
            except ParamsError as error:
                yield str(error)
    except ParamsError as error:
        yield str(error)


def _data_checks(project: Project, dataset: str) -> Checks:
    data = project.data(dataset)
    yield partial(data.refuse_unknown, DATA_SECTIONS)
    yield partial(data.read, "source", SourceSettings)
    yield lambda: read_custom(data, read_tasks(data))
    yield lambda: read_preprocess(data, read_tasks(data))
    yield partial(data.read, "check-data", CheckSettings)
    yield partial(data.read, "evaluate", EvaluateSettings)


def _recipe_checks(project: Project, dataset: str) -> Checks:
    recipe = project.recipe(dataset)
    yield partial(recipe.refuse_unknown, RECIPE_SECTIONS)
    yield partial(recipe.read, "training", TrainingSettings)
    yield partial(recipe.read, "fusion", FusionSettings)


def _model_checks(project: Project, dataset: str) -> Checks:
    active, recipe = project.active, project.recipe(dataset)
    read = recipe.read_model
    emm, automtl = MODELS["emm"], MODELS["automtl"]
    for name in active.trained:
        yield partial(read_structure, recipe, name)
    for name in active.baselines:
        yield partial(_check_baseline, project, dataset, name)
    for name in active.fused:
        yield partial(read, f"train.{name}", emm, FusedSettings, ("pool",))
    for name in active.students:
        yield partial(_check_student, recipe, f"train.{name}")
    for name in active.searched:
        yield partial(read, f"train.{name}", automtl, SearchedSettings, ("architecture",))
        yield partial(read, f"search.{name}", SUPERNET, SearchSettings)
    for name in active.trees:
        yield partial(_check_trees, recipe, f"train.{name}")


def _check_baseline(project: Project, dataset: str, name: str) -> None:
    choose("model", name, MODELS, f"baselines in {project.file}", "correct the name")
    model, data = MODELS[name], project.data(dataset)
    project.recipe(dataset).read_model(f"train.{name}", model, OptimiserSettings, FROM_DATA)
    tasks = read_tasks(data)
    required = keywords_of(model).get("funnel", (None, None))[1] is REQUIRED
    if required and not read_preprocess(data, tasks).funnel:
        raise no_funnel(name, dataset, tasks)


def _check_trees(recipe: ConfigFile, key: str) -> None:
    boosting = read_boosting(recipe.section(key), key, str(recipe.path))
    if boosting.library == "catboost":
        require_catboost()


def _check_student(recipe: ConfigFile, key: str) -> None:
    split_student(recipe.section(key), key, str(recipe.path))


def _contradictions(project: Project, dataset: str) -> Checks:
    """Each contradiction as a check that fails."""
    for error in contradictions(project, dataset):
        yield partial(_fail, error)


def _fail(error: ParamsError) -> None:
    raise error


def _image_checks(project: Project, images: str) -> Checks:
    yield partial(read_image_set, project, images)
    for episodes in project.active.episodes:
        yield partial(read_episodes, project, images, episodes)
