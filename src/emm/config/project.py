"""The configuration of a project: params.yaml says what is active, conf/ holds every setting.

conf/<dataset>/data.yaml is about a dataset's rows, conf/<dataset>/<recipe>.yaml about the models
that are trained on them. Sections are named as the stages that read them, and a stage validates
only its own, so that the settings of other rooms are no dependency of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from emm.config.active import Active, active_faults
from emm.config.binding import bind, bind_keywords, raise_all
from emm.config.files import read_layers
from emm.core.errors import ParamsError, choose, nearest
from emm.core.paths import Paths

PARAMS_FILE = Path("params.yaml")

DEFAULT_RECIPE = "default"
"""The recipe for any table, in conf/default.yaml; see `emm.training.auto`."""

FROM_DATA = (
    *("funnel", "given_click", "fields", "task_names"),
    *("kinds", "scales", "outputs", "hidden"),
)
"""Arguments of a model that the data supplies: see `emm.training.context.arguments_of_data`."""


Kind = TypeVar("Kind")


@dataclass(frozen=True)
class ConfigFile:
    """A file of conf/, and its sections as plain values.

    ``defaults``: keys by section, such as train.mmoe; a key in the file replaces its default.
    """

    path: Path
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @cached_property
    def tree(self) -> Mapping[str, Any]:
        return read_layers(self.path)

    def section(self, key: str) -> Any:
        """The plain value at ``key``, such as train.mmoe; ParamsError if there is none."""
        value: Any = self.tree
        for number, part in enumerate(parts := key.split(".")):
            known = {str(k): v for k, v in value.items()} if isinstance(value, Mapping) else {}
            where = f"{self.path}: {'.'.join(parts[:number])}".rstrip(": ")
            if part not in known:
                raise ParamsError(
                    f"no section is called {part!r}; {nearest(part, known)}",
                    where=where,
                    next_step=f"add {key} to {self.path}; `emm check --fix` adds an empty one",
                )
            value = known[part]
        return self._over_defaults(key, value)

    def read(self, key: str, kind: type[Kind]) -> Kind:
        """The section at ``key`` as ``kind``; one ParamsError lists everything wrong with it."""
        return self._bind(kind, self.section(key), key)

    def read_optional(self, key: str, kind: type[Kind]) -> Kind | None:
        """The same, None where the section is absent or null."""
        return None if self.tree.get(key) is None else self.read(key, kind)

    def read_part(self, key: str, kind: type[Kind]) -> Kind:
        """The keys of a section that ``kind``, a dataclass, has; others are another stage's."""
        wanted: Any = kind
        section = self.section(key)
        if isinstance(section, Mapping):
            names = {field.name for field in fields(wanted)}
            section = {k: v for k, v in section.items() if k in names}
        return self._bind(kind, section, key)

    def read_model(
        self,
        key: str,
        model: Callable[..., Any] | str,
        settings: type[Kind],
        given: Sequence[str] = (),
    ) -> tuple[Kind, dict[str, Any]]:
        """A model's section as ``settings`` of its training and its own keyword arguments.

        ``given``: arguments that the caller supplies. One ParamsError lists every fault.
        """
        return split_section(self.section(key), model, key, settings, given, str(self.path))

    def refuse_unknown(self, known: Sequence[str]) -> None:
        """Raise ParamsError for sections that nobody reads."""
        raise_all(
            [f"{k}: unknown key; {nearest(str(k), known)}" for k in self.tree if k not in known],
            str(self.path),
        )

    def _over_defaults(self, key: str, value: Any) -> Any:
        given = {} if value is None else value
        known = self.defaults.get(key)
        return {**known, **given} if known and isinstance(given, Mapping) else value

    def _bind(self, kind: type[Kind], value: Any, key: str) -> Kind:
        errors: list[str] = []
        bound: Kind = bind(kind, value, key, errors)
        raise_all(errors, str(self.path))
        return bound


def split_section(
    section: Any,
    model: Callable[..., Any] | str,
    key: str,
    settings: type[Kind],
    given: Sequence[str] = (),
    file: str = "conf/",
) -> tuple[Kind, dict[str, Any]]:
    """A plain section as ``settings`` and keyword arguments of ``model``; see `ConfigFile`."""
    errors: list[str] = []
    section = {} if section is None else section
    bound = bind_keywords(model, section, key, errors, given=given, settings=settings)
    raise_all(errors, file)
    kind: Any = settings
    return kind(**{field.name: bound.pop(field.name) for field in fields(kind)}), bound


@dataclass(frozen=True)
class Project:
    """The configuration that ``file``, a params.yaml, stands for.

    conf/ is in the file's folder, and so is everything that the stages write.
    """

    file: Path
    active: Active

    @property
    def root(self) -> Path:
        """The folder of params.yaml."""
        return self.file.parent

    @property
    def conf(self) -> Path:
        return self.root / "conf"

    def data(self, dataset: str) -> ConfigFile:
        """The settings of a dataset's rows; ParamsError if there are none."""
        known = sorted(path.parent.name for path in self.conf.glob("*/data.yaml"))
        choose("dataset", dataset, known, self.conf, f"add {self.conf / dataset}/data.yaml")
        return self._file(dataset, "data")

    def recipe(self, dataset: str) -> ConfigFile:
        """The active recipe of a dataset; ParamsError if there is no such dataset or recipe."""
        self.data(dataset)
        name = self.active.recipe
        known = sorted({path.stem for path in (self.conf / dataset).glob("*.yaml")} - {"data"})
        if name not in known:
            file = self.conf / dataset / f"{name}.yaml"
            own = name == DEFAULT_RECIPE and dataset in self.active.datasets
            other = f"write `recipe: {DEFAULT_RECIPE}` in {self.file}, or add {file}"
            raise ParamsError(
                f"no recipe is called {name!r}; {nearest(name, known)}",
                where=f"recipe of {self.file}",
                expected=f"one of {', '.join(known)}" if known else f"a file {file}",
                next_step="`emm check --fix` writes it" if own else other,
            )
        return self._file(dataset, name)

    def source(self, dataset: str) -> str:
        """The registered dataset whose raw files ``dataset`` reads: by default that of its name."""
        return str(self.data(dataset).tree.get("dataset") or dataset)

    def paths(self, dataset: str) -> Paths:
        """Where everything about a dataset is stored."""
        return Paths(dataset, self.active.recipe, self.root, self.source(dataset))

    def _file(self, dataset: str, name: str) -> ConfigFile:
        return ConfigFile(self.conf / dataset / f"{name}.yaml")


def load_project(file: Path = PARAMS_FILE, recipe: str | None = None) -> Project:
    """Read params.yaml; one ParamsError lists everything wrong with it.

    ``recipe`` takes the place of the file's own. A file may vary another: see `emm.config.files`.
    """
    errors: list[str] = []
    active: Any = bind(Active, read_layers(file), "", errors)
    errors.extend(active_faults(active) if active else ())
    raise_all(errors, str(file))
    return Project(file, replace(active, recipe=recipe) if recipe else active)
