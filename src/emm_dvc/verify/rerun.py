"""`emm verify --rerun`: train a model again, and say where that training left the stored one."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from emm.config.project import PARAMS_FILE, load_project
from emm.core.errors import ParamsError
from emm.core.paths import Paths, parts_of_row
from emm.training.history import HISTORY
from emm.training.trace import TRACE, parted
from emm_dvc.accept.lock import open_project
from emm_dvc.accept.rerun import Sandbox
from emm_dvc.verify.outs import VerifyError, files_in

LARGEST = 2**28  # bytes of a trace that is read
SHOWN = 10  # files in the report

Runs = dict[tuple[Any, Any], Mapping[str, Any]]


def rerun_row(root: Path, row: str) -> tuple[bool, str]:
    """`rerun` of a trained model by its name, DATASET/MODEL or DATASET/RECIPE/MODEL."""
    parts = parts_of_row(row)
    if parts is None:
        raise ParamsError(
            f"{row!r} names no trained model",
            got=row,
            expected="DATASET/MODEL, such as census-income/mmoe, or DATASET/RECIPE/MODEL",
            next_step="params.yaml names datasets, recipe and models",
        )
    dataset, recipe, model = parts
    recipe = recipe or load_project(root / PARAMS_FILE).active.recipe
    return rerun(root, Paths(dataset, recipe).model(model))


def rerun(root: Path, out: Path) -> tuple[bool, str]:
    """Run the stage that writes ``out`` again, in a folder of its own, and compare the two.

    out: folder of a trained model, from ``root``, the root of the DVC project.

    Returns: whether all files have the same bytes, and a report as text. Raises VerifyError if no
    stage writes the folder, it isn't there, or the stage fails.
    """
    stored = root / out
    with open_project(root) as project:
        stage = next(
            (
                each
                for each in project.stages([])
                for one in each.outs
                if project.path(one) == str(out)
            ),
            None,
        )
        if stage is None:
            raise VerifyError(
                f"no stage writes {out}",
                where=root / "dvc.yaml",
                expected="a model of the active recipe",
                next_step="params.yaml names recipe and models",
            )
        changed = [str(dep) for dep in stage.deps if dep.workspace_status()]
    if not stored.is_dir():
        raise VerifyError(f"{out} isn't here", where=root, next_step=f"dvc pull {stage.name}")
    with tempfile.TemporaryDirectory(prefix="emm-verify-") as temporary:
        sandbox = Sandbox(project, Path(temporary).resolve())
        sandbox.fill(stage)
        failure = sandbox.run(stage)
        if failure:
            raise VerifyError(failure, where=stage.name, next_step=f"dvc repro {stage.name}")
        equal, lines = compared(stored, sandbox.place(stored.resolve()))
    if changed and not equal:
        lines.append(f"changed since dvc.lock was written: {', '.join(changed)}")
    return equal, "\n".join([f"{stage.name}: {lines[0]}", *(f"  {line}" for line in lines[1:])])


def compared(stored: Path, found: Path) -> tuple[bool, list[str]]:
    """Compare the folder of a model with that of its rerun; whether they are equal, a report."""
    names = sorted({*files_in(stored), *files_in(found)})
    other = [name for name in names if not _same(stored / name, found / name)]
    if not other:
        return True, [f"equal, {len(names)} files"]
    lines = [f"not equal: {len(other)} of {len(names)} files differ"]
    lines += [_described(name, stored / name, found / name) for name in other[:SHOWN]]
    if len(other) > SHOWN:
        lines.append(f"... and {len(other) - SHOWN} more")
    return False, lines + list(_first_differences(stored, found))


def _same(one: Path, other: Path) -> bool:
    if not (one.is_file() and other.is_file()):
        return False
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as first, other.open("rb") as second:
        while block := first.read(2**20):
            if block != second.read(len(block)):
                return False
    return True


def _described(name: str, one: Path, other: Path) -> str:
    """A file, and the largest difference of its numbers if it holds weights."""
    for place, where in ((one, "the rerun"), (other, "the stored model")):
        if not place.is_file():
            return f"{name}: only in {where}"
    if one.suffix != ".safetensors":
        return f"{name}: other bytes"
    from safetensors.numpy import load_file

    first, second = load_file(one), load_file(other)
    shapes = [{key: value.shape for key, value in each.items()} for each in (first, second)]
    if shapes[0] != shapes[1]:
        return f"{name}: other tensors"
    apart = {
        key: float(abs(value.astype("f8") - second[key].astype("f8")).max(initial=0))
        for key, value in first.items()
    }
    worst = max(apart, key=lambda key: apart[key])
    return f"{name}: at most {apart[worst]:.3g} apart, in {worst}"


def _first_differences(stored: Path, found: Path) -> Iterator[str]:
    """For each run whose traces differ, where they first do."""
    before, after = _runs(stored / TRACE), _runs(found / TRACE)
    if before is None or after is None:
        lacks = "the stored model" if before is None else "the rerun"
        yield f"{lacks} has no {TRACE}: which step differed isn't known"
        before, after = _runs(stored / HISTORY) or {}, _runs(found / HISTORY) or {}
    for key in before:
        title = f"seed {key[0]}" + (f", {key[1]}" if key[1] else "")
        if key not in after:
            yield f"{title}: not in the rerun"
            continue
        where = _where(before[key], after[key])
        if where:
            yield f"{title} first differs in {where}"


def _where(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    if "trace" in before:
        return parted(before["trace"], after["trace"])
    pairs = zip(before["epochs"], after["epochs"], strict=False)
    return next((f"epoch {one['epoch']}" for one, other in pairs if one != other), None)


def _runs(file: Path) -> Runs | None:
    """The runs of trace.json or history.json by seed and task; None if there is no such file."""
    if not file.is_file():
        return None
    try:
        with file.open("rb") as content:
            tree = json.loads(content.read(LARGEST))  # a larger one is cut, and then no JSON
        return {(run["seed"], run["task"]): run for run in tree["runs"]}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise VerifyError(
            f"{file.name} can't be read: {error}", where=file, next_step="dvc checkout --force"
        ) from error
