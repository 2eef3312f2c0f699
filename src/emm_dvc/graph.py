"""The stages of dvc.yaml, and whether each depends on all the code that it runs."""

import ast
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from emm.fusion.student_settings import NETWORKS
from emm.models import MODELS
from emm.training.structures import STRUCTURES

_PACKAGES = ("emm", "emm_dvc", "fewshot")

# No stage depends on these files; tests hold that it is safe. The registry maps a model's name to
# its module, which is the name itself: adding a model must not rerun all others. The package's
# public functions are imported when they are used, and no stage uses them.
REGISTRY = Path("src/emm/models/__init__.py")
PUBLIC_API = Path("src/emm/__init__.py")

# What `stages/train.py` runs is chosen by the list of params.yaml that names the model.
JOBS = Path("src/emm/training/jobs.py")
LIBRARIES = Path("src/emm/trees/libraries.py")
TREES = "trees"
STUDENTS = "students"
OF_THE_POOL = {"trained", "fused", STUDENTS}
"""Lists whose models are networks of the pool, or read its networks."""
TRAIN, EVALUATE, EXPORT = "train.py", "evaluate.py", "export.py"
DECOMPOSE = "decompose.py"


def read_stages(path: Path) -> dict[str, dict[str, Any]]:
    """Read the stages of a dvc.yaml with their templates; those under foreach lose the ``do``."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    stages = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)["stages"]
    return {name: {**stage, **stage.get("do", {})} for name, stage in stages.items()}


def scripts_of(stage: Mapping[str, Any]) -> list[Path]:
    """The scripts that a stage's commands run."""
    commands = [stage["cmd"]] if isinstance(stage["cmd"], str) else stage["cmd"]
    return [Path(word) for each in commands for word in each.split() if word.endswith(".py")]


def imported_files(script: Path, root: Path, by_name: Iterable[str] = ()) -> set[Path]:
    """First-party files that ``script`` imports, directly or not, relative to ``root``.

    ``by_name``: modules that it loads by a name of the configuration; see `loaded_by_name`.
    """
    found: set[str] = set()
    waiting = [*_modules_of_script(root / script), *by_name]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting.extend(_imported(module))
    return {_file_of(module, root) for module in found}


def loaded_by_name(stage: Mapping[str, Any], script: Path, root: Path) -> set[str]:
    """Modules that a stage loads by the name of the model that it trains, evaluates or exports."""
    if script.name in (EVALUATE, EXPORT):
        return {target.partition(":")[0] for target in MODELS.values()}
    networks = set(map(_module_of, STRUCTURES))
    if script.name != TRAIN:
        return networks if script.name == DECOMPOSE else set()
    jobs = _literal(root / JOBS, "JOBS")
    models = str(stage.get("matrix", {}).get("model", "")).strip("${}")
    kinds = [models] if models in jobs else list(jobs)
    found = {jobs[kind].partition(":")[0] for kind in kinds}
    # The sections of networks, students and trees say which of these they are.
    found |= networks if OF_THE_POOL & {*kinds} else set()
    found |= {*_literal(root / LIBRARIES, "MODULES").values()} if TREES in kinds else set()
    return found | (set(map(_module_of, NETWORKS)) if STUDENTS in kinds else set())


def _module_of(model: str) -> str:
    return MODELS[model].partition(":")[0]


def uncovered(
    script: Path, deps: Iterable[str], root: Path, by_name: Iterable[str] = ()
) -> list[Path]:
    """Files that ``script`` runs, itself included, and that no dep is or contains."""
    known = [Path(os.path.normpath(dep)) for dep in deps]
    needed = {script, *imported_files(script, root, by_name)} - {REGISTRY, PUBLIC_API}
    return sorted(
        file
        for file in needed
        if not any(file == dep or dep in file.parents for dep in known)
        and not _is_docstring_only(root / file)
    )


def missing_code(dvc_yaml: Path, root: Path) -> list[str]:
    """What the stages run and don't depend on, and the code that they name and that isn't there.

    ``root`` is the folder of src/ and stages/, which may be above that of dvc.yaml.
    """
    faults = []
    for name, stage in read_stages(dvc_yaml).items():
        deps = [_from(root, dvc_yaml.parent / dep) for dep in stage["deps"]]
        for script in scripts_of(stage):
            if not (root / script).exists():
                faults.append(f"{name} runs {script}, which doesn't exist")
                continue
            lacking = uncovered(script, deps, root, loaded_by_name(stage, script, root))
            faults += [f"{name} lacks the dep {file}" for file in lacking]
        faults += [
            f"{name} has the dep {dep}, which doesn't exist"
            for dep in deps
            if dep.startswith(("src/", "stages/")) and "$" not in dep and not (root / dep).exists()
        ]
    return faults


def missing_model_code(root: Path) -> list[str]:
    """What the modules of the baselines import, and the stage that trains them doesn't depend on.

    Each of its cells depends on the file of its own model.
    """
    stages = read_stages(root / "dvc.yaml")
    deps = [str(dep) for dep in stages["train"]["deps"]]
    faults = []
    for target in MODELS.values():
        module = target.partition(":")[0]
        if module.startswith("emm.models."):
            own = str(_file_of(module, root))
            lacking = uncovered(Path("stages", TRAIN), [*deps, own], root, [module])
            faults += [f"train lacks the dep {file}, which {own} imports" for file in lacking]
    return faults


@cache
def _import_graph() -> Any:
    import grimp

    return grimp.build_graph(*_PACKAGES, cache_dir=None)


def _modules_of_script(file: Path) -> Iterator[str]:
    """First-party modules that a script, which is in no package, imports."""
    modules = _import_graph().modules
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name in modules)


def _imported(module: str) -> set[str]:
    """What importing a module imports: the packages around it, and what its code names."""
    parts = module.split(".")
    packages = {".".join(parts[:length]) for length in range(1, len(parts))}
    if module == "emm":  # PUBLIC_API
        return packages
    return packages.union(_import_graph().find_modules_directly_imported_by(module))


def _literal(file: Path, name: str) -> Any:
    """The value of a module's constant, without importing the module."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise KeyError(name)


def _from(root: Path, path: Path) -> str:
    """A path from ``root``; study/ may have links to the code."""
    return os.path.relpath(os.path.realpath(path), os.path.realpath(root))


def _file_of(module: str, root: Path) -> Path:
    base = Path("src", *module.split("."))
    package = base / "__init__.py"
    return package if (root / package).is_file() else base.with_suffix(".py")


def _is_docstring_only(file: Path) -> bool:
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)
