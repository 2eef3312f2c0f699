"""Search for a model's hyper-parameters: the same number of trials for everyone, on validation."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml

from emm.automtl.fields import field_names
from emm.automtl.space import ARCHITECTURE, plain, read_architecture
from emm.core.binding import Count, Range, bind, choose, raise_all
from emm.core.errors import DataError, ModelFileError, ParamsError
from emm.core.progress import say
from emm.fusion.emm import EMM
from emm.fusion.factories import trusting
from emm.fusion.pool import load_pool
from emm.models import model_class
from emm.models.automtl import AutoMTL
from emm.models.gbdt import Boosting, fit
from emm.models.single_task import SingleTask
from emm.params import OptimiserParams, Params
from emm.sections import FROM_DATA, bind_section, split_section
from emm.training.epochs import best_epoch
from emm.training.from_data import arguments_of_data
from emm.training.fused import FusedParams, fuse
from emm.training.runs import train_run
from emm.training.seeds import seed_init
from emm.training.trees import in_memory
from emm.training.workbench import Workbench, schedule_of, set_up

Section = Mapping[str, Any]

SPACES = Path("search.yaml")
LOGS = Path("searches")


@dataclass(frozen=True)
class Space:
    """What is tried on one dataset: lists of values by key.

    Those of all ``networks`` go with those of each of ``models``, but not with those of the models
    that stand ``alone``; ``seed`` draws the ``trials``, and trains their models.
    """

    trials: Count
    seed: Annotated[int, Range(0)]
    networks: Mapping[str, Sequence[Any]]
    alone: tuple[str, ...]
    models: Mapping[str, Mapping[str, Sequence[Any]]]

    def sections(self, model: str) -> list[dict[str, Any]]:
        """The sections of params.yaml to try for ``model``, the starting point first."""
        choose("model", model, self.models, SPACES, "add its lists there")
        shared = {} if model in self.alone else self.networks
        lists = {**shared, **self.models[model]}
        start = {key: values[0] for key, values in lists.items()}
        drawn = [section for section in _drawn(lists, self.trials, self.seed) if section != start]
        return [start, *drawn][: self.trials]


@dataclass(frozen=True)
class Trial:
    """One line of a log: the section tried, and the best validation AUC of each task."""

    trial: int
    section: Mapping[str, Any]
    auc: Mapping[str, float]
    mean_auc: float


def load_space(dataset: str, path: Path = SPACES) -> Space:
    """The part of search.yaml for one dataset; ParamsError for everything wrong with it."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ParamsError(f"{path} can't be read: {error}", where=path) from error
    tree = tree if isinstance(tree, dict) else {}
    choose("dataset", dataset, tree, path, "add its lists there")
    errors: list[str] = []
    space: Space = bind(Space, tree[dataset], dataset, errors)
    if not errors:
        groups = {"networks": space.networks}
        groups |= {f"models.{model}": lists for model, lists in space.models.items()}
        errors.extend(
            f"{dataset}.{group}.{key}: got [], expected at least one value"
            for group, lists in groups.items()
            for key, values in lists.items()
            if not values
        )
    raise_all(errors)
    return space


def search(params: Params, dataset: str, model: str, space: Space, log: Path) -> Trial:
    """Train every section of the space that ``log`` doesn't hold yet; gives the best trial.

    A log goes on where it ended. The best has the highest mean validation AUC, the first of equals.
    Raises DataError if the log was made with other lists.
    """
    done = read_log(log) if log.exists() else []
    sections = space.sections(model)
    if [trial.section for trial in done] != sections[: len(done)]:
        raise DataError(
            f"{log} holds trials of other lists than {SPACES}",
            where=log,
            next_step=f"delete it to search anew, or restore {SPACES}",
        )
    training = params.recipe_of(dataset).training
    processed = params.paths(dataset).processed
    bench = set_up(processed, params.recipe, training, params.data.memory_gib)
    log.parent.mkdir(parents=True, exist_ok=True)
    for number in range(len(done), len(sections)):
        aucs = _try(bench, params, dataset, model, sections[number], space.seed)
        mean = sum(aucs.values()) / len(aucs)
        done.append(Trial(number, sections[number], aucs, mean))
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(done[-1])) + "\n")
        say(f"{model} trial {number + 1} of {len(sections)}: mean validation AUC {mean:.5f}")
    return best_trial(done)


def read_log(log: Path) -> list[Trial]:
    """The trials of a log, in their order; DataError if a line is damaged."""
    errors: list[str] = []
    try:
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise DataError(f"{log} can't be read: {error}", where=log) from error
    trials = [bind(Trial, line, f"line {n}", errors) for n, line in enumerate(lines, start=1)]
    if errors:
        raise DataError(f"{log} is damaged: {'; '.join(errors)}", where=log)
    return trials


def best_trial(trials: Sequence[Trial]) -> Trial:
    """The first trial with the highest mean validation AUC."""
    return max(trials, key=lambda trial: (trial.mean_auc, -trial.trial))


def log_of(dataset: str, model: str) -> Path:
    """Where the log of one model's search is kept."""
    return LOGS / dataset / f"{model}.jsonl"


def _drawn(lists: Mapping[str, Sequence[Any]], trials: int, seed: int) -> Iterator[dict[str, Any]]:
    # Imported late: it takes a second, which `emm --help` doesn't have.
    from math import prod

    from sklearn.model_selection import ParameterSampler

    count = min(trials, prod(map(len, lists.values())))
    return iter(ParameterSampler(lists, count, random_state=seed))


def _try(
    bench: Workbench, params: Params, dataset: str, model: str, section: Section, seed: int
) -> dict[str, float]:
    """Best validation AUC of each task after training with ``section``."""
    tasks = bench.schema.tasks
    if model == "gbdt":
        boosting: Boosting = bind_section(section, Boosting, f"{SPACES}: {model}")
        rows = (
            in_memory(bench.train, "train", seed),
            in_memory(bench.validation, "validation", seed),
        )
        _, runs = fit(*rows, bench.inputs, boosting, seed=seed)
        best = [max(iteration.score for iteration in run.iterations) for run in runs]
        return dict(zip(tasks, best, strict=True))
    if model in params.fused:
        return _try_fused(bench, params, dataset, model, section, seed)
    training = params.recipe_of(dataset).training
    single = model in params.trained
    architecture = _class_of(model, params)
    found = _found_architecture(bench, params, dataset, model)
    optimiser, arguments = split_section(
        section, architecture, f"{SPACES}: {model}", OptimiserParams, (*FROM_DATA, *found)
    )
    arguments |= arguments_of_data(architecture, bench.schema, bench.train) | found
    schedule = schedule_of(training, optimiser)
    aucs: dict[str, float] = {}
    for own in [(task,) for task in tasks] if single else [tasks]:
        names = (model, *own) if single else (model,)
        seed_init(seed, *names)
        network = architecture(bench.inputs, len(own), **arguments).to(bench.device)
        train, validation = bench.train, bench.validation
        if single:
            train, validation = (x.task(tasks.index(own[0])) for x in (train, validation))
        epochs = train_run(network, train, validation, schedule, seed, names)
        aucs |= dict(zip(own, epochs[best_epoch(epochs) - 1].scores, strict=True))
    return aucs


def _class_of(model: str, params: Params) -> Any:
    if model in params.trained:
        return SingleTask
    return AutoMTL if model in params.searched else model_class(model)


def _found_architecture(
    bench: Workbench, params: Params, dataset: str, model: str
) -> dict[str, Any]:
    """As an argument of its model, what the search stage found for a row of ``searched``."""
    if model not in params.searched:
        return {}
    path = params.paths(dataset).architecture(model) / ARCHITECTURE
    if not path.exists():
        raise ModelFileError(
            f"{model} has no architecture yet",
            where=path,
            next_step=f"search for it first: dvc repro search@{dataset}-{model}",
        )
    found = read_architecture(path, field_names(bench.schema), bench.schema.tasks)
    return {"architecture": plain(found)}


def _try_fused(
    bench: Workbench, params: Params, dataset: str, model: str, section: Section, seed: int
) -> dict[str, float]:
    recipe = params.recipe_of(dataset)
    settings, arguments = split_section(
        section, EMM, f"{SPACES}: {model}", FusedParams, given=("pool",)
    )
    folder = params.paths(dataset).components / f"seed-{seed}"
    pool = load_pool(folder, bench.schema_sha256).only(settings.members)
    with trusting(recipe.fusion.factories):
        _, epochs = fuse(
            bench,
            model,
            folder,
            pool,
            training=recipe.training,
            fusion=recipe.fusion,
            settings=settings,
            arguments=arguments,
        )
    return dict(zip(bench.schema.tasks, epochs[best_epoch(epochs)].scores, strict=True))
