"""Decompose trained models and fuse them in a program."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from emm.api.datasets import Dataset
from emm.api.models import NATIVE, Model, names_of, training_settings
from emm.config.project import split_section
from emm.core.errors import ParamsError
from emm.fusion.build_pool import build_pool
from emm.fusion.cached_predictions import save_cached_predictions
from emm.fusion.check_pool import check_networks, check_whole
from emm.fusion.emm import EMM
from emm.fusion.fuse import NOT_SET, all_arguments
from emm.fusion.fuse import fuse as fuse_pool
from emm.fusion.out_of_fold import Shared, in_sample_predictions
from emm.fusion.pool import Pool
from emm.fusion.settings import FusedSettings, FusionSettings
from emm.fusion.trained_models import TOWER, TrainedNetwork, TrainedTrees, TrainedWhole
from emm.training.structures import SINGLE_TASK, STRUCTURES
from emm.trees.forest import TreeEnsemble

Members = tuple[list[TrainedNetwork], list[TrainedTrees], list[TrainedWhole]]


@dataclass(frozen=True)
class Components:
    """Decomposed models: the layers of each network by level, the trees, and the networks that
    aren't cut."""

    pool: Pool
    trees: tuple[TrainedTrees, ...]
    whole: tuple[TrainedWhole, ...] = ()

    @property
    def levels(self) -> dict[str, tuple[tuple[str, ...], ...]]:
        """Names of the layers of each network, by level; the last entry is its tower."""
        members = self.pool.members.networks
        return {member.name: (*member.levels, member.tower) for member in members}

    def __str__(self) -> str:
        lines = []
        for name, levels in self.levels.items():
            *parts, tower = (f"{level[0]} to {level[-1]}" for level in levels)
            cut = "; ".join(f"level {n}: {part}" for n, part in enumerate(parts, start=1))
            lines.append(f"{name}: {cut}; tower: {tower}")
        lines += [f"{each.name}: trees, divided by boosting rounds" for each in self.trees]
        lines += [f"{each.name}: a network as a whole" for each in self.whole]
        return "\n".join(lines)


def decompose(models: Sequence[Model], dataset: Dataset, *, seed: int = 0) -> Components:
    """Cut single-task networks at the layers that all of them share (Algorithm 1).

    Models of LightGBM and XGBoost, and networks such as tabm, join the pool without being cut.
    Raises DecompositionError if the networks can't be cut in the same way, or if one predicts
    something else for rows of validation when it is rebuilt from its components.
    """
    context = dataset.context
    networks, trees, whole = _members(models, dataset)
    pool = build_pool(
        networks,
        trees,
        context.inputs,
        dataset.tasks,
        context.schema_sha256,
        seed,
        whole=whole,
        outputs=context.schema.outputs,
        regressions=context.schema.regressions,
    )
    check_networks(pool, networks, context, {})
    check_whole(pool, whole, context)
    return Components(pool, tuple(trees), tuple(whole))


def fuse(models: Sequence[Model], dataset: Dataset, *, seed: int = 0, **settings: Any) -> Model:
    """Fuse trained single-task models into one multi-task model (arXiv 2504.09812).

    The fused model learns on train with the models' own predictions for these rows: a model that
    has memorised them, as boosted trees do, gets too much weight. The pipeline's ``fit_on:
    out-of-fold`` avoids that.

    Args:
        models: at least one per task. What reads components, as the variants ``aligned`` and
            ``paper`` do, needs a network of ``single_task`` among them.
        dataset: the data on which to learn, encoded as for the models.
        seed: of all random draws.
        settings: arguments of `EMM`, such as variant, of `FusedSettings` and `TrainingSettings`.
    """
    context = dataset.context
    components = decompose(models, dataset, seed=seed)
    training, rest = training_settings(settings, seed)
    rest = {"variant": "aligned", **rest}
    fused, arguments = split_section(rest, EMM, "", FusedSettings, NOT_SET, "fuse")
    pool = components.pool.select(fused.members)
    with TemporaryDirectory() as folder:
        shared: list[Shared] = [*components.trees, *components.whole]
        rows = {"train": context.train, "validation": context.validation}
        predictions = {
            name: in_sample_predictions(shared, pool.members.levels, each)
            for name, each in rows.items()
        }
        save_cached_predictions(Path(folder), predictions)
        fusion = fuse_pool(
            context,
            "emm",
            Path(folder),
            pool,
            training=training,
            fusion=FusionSettings(),
            settings=fused,
            arguments=arguments,
        )
    every = all_arguments(context, pool, {**arguments, **fusion.arguments})
    about = context.describe("emm", "emm", every, seed)
    return Model(fusion.model.eval(), about, tuple(fusion.epochs))


def _members(models: Sequence[Model], dataset: Dataset) -> Members:
    """The models as members of a pool."""
    networks, trees, whole = [], [], []
    for name, model in zip(names_of(models), models, strict=True):
        about, number = model.description, dataset.task_number(model.tasks[0])
        if about.architecture == SINGLE_TASK:
            networks.append(
                TrainedNetwork(name, number, model.network, SINGLE_TASK, about.arguments, TOWER, "")
            )
        elif about.architecture in STRUCTURES:
            whole.append(
                TrainedWhole(name, number, model.network, about.architecture, about.arguments, "")
            )
        elif about.architecture == NATIVE and isinstance(model.network, TreeEnsemble):
            trees.append(TrainedTrees(name, number, model.network, ""))
        else:
            raise ParamsError(
                f"{name} is a model of several tasks",
                got=about.architecture,
                expected=f"{', '.join(STRUCTURES)}, or a LightGBM or XGBoost file",
                next_step="fuse models of one task each",
            )
    return networks, trees, whole
