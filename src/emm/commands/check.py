"""All of params.yaml against the signatures of the models it is for."""

from collections.abc import Iterator
from inspect import signature

from emm.automtl.network import AutoMTL
from emm.automtl.settings import SearchSettings
from emm.automtl.supernet import Supernet
from emm.automtl.train import SearchedSettings
from emm.config import OptimiserSettings, Params, RecipeParams
from emm.config.binding import choose
from emm.config.sections import FROM_DATA, bind_section, section_of, split_section
from emm.core.errors import ParamsError
from emm.fusion.emm import EMM
from emm.fusion.train import FusedSettings
from emm.models import MODELS, model_class
from emm.models.single_task import SingleTask
from emm.training.data_arguments import no_funnel
from emm.trees.gbdt import Boosting


def check_sections(params: Params) -> None:
    """Bind every section of the active datasets to its model; one ParamsError for all misfits."""
    faults = [
        fault
        for dataset in params.datasets
        for fault in (
            *_faults(params, params.recipe_of(dataset), f"{dataset}.{params.recipe}"),
            *_funnel_faults(params, dataset),
        )
    ]
    if faults:
        raise ParamsError("\n".join(faults))


def _faults(params: Params, recipe: RecipeParams, where: str) -> Iterator[str]:
    sections = [
        *(("pretrain", name) for name in params.trained),
        *(("train", name) for name in (*params.baselines, *params.fused, *params.searched, "gbdt")),
        *(("search", name) for name in params.searched),
    ]
    for part, name in sections:
        try:
            _check(params, recipe, part, name, f"{where}.{part}")
        except ParamsError as error:
            yield str(error)


def _funnel_faults(params: Params, dataset: str) -> Iterator[str]:
    """Models of funnels on a dataset that declares none."""
    block = params.dataset(dataset)
    for name in params.baselines if not block.preprocess.funnel else ():
        if name in MODELS and "funnel" in signature(model_class(name)).parameters:
            yield str(no_funnel(name, dataset, block.tasks))


def _check(params: Params, recipe: RecipeParams, part: str, name: str, where: str) -> None:
    section = section_of(getattr(recipe, part), name, where)
    if part == "pretrain":
        split_section(section, SingleTask, f"{where}.{name}", OptimiserSettings)
    elif name == "gbdt":
        bind_section(section, Boosting, f"{where}.{name}")
    elif part == "search":
        split_section(section, Supernet, f"{where}.{name}", SearchSettings)
    elif name in params.searched:
        split_section(
            section, AutoMTL, f"{where}.{name}", SearchedSettings, given=("architecture",)
        )
    elif name in params.fused:
        split_section(section, EMM, f"{where}.{name}", FusedSettings, given=("pool",))
    else:
        choose("model", name, MODELS, "baselines in params.yaml", "correct the name")
        model = model_class(name)
        split_section(section, model, f"{where}.{name}", OptimiserSettings, FROM_DATA)
