"""`emm pool add` of a model that `emm export` wrote: its name, output and golden rows."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from emm.commands.pool_entry import Request
from emm.core.errors import ParamsError
from emm.data.tables.schema import REGRESSION
from emm.export.signature import (
    GOLDEN,
    MODEL,
    SIGNATURE,
    BundleSignature,
    OutputTensor,
    read_signature,
)


def with_bundle(request: Request) -> Request:
    """The request for the model of an exported folder, completed by the folder's signature.

    What the request names itself stays, and other requests stay as they are. Raises ModelFileError
    for an altered folder, ParamsError for a task that the model doesn't predict.
    """
    folder = request.file.parent
    if request.file.name != MODEL or not (folder / SIGNATURE).is_file():
        return request
    signature = read_signature(folder)
    options = request.options
    if "output" not in options:
        options = {**options, "output": _output(signature, request.task, folder).name}
    columns = tuple(f"{t.name}={t.column}" for t in signature.inputs if t.name != t.column)
    return replace(
        request,
        name=request.name or folder.resolve().name,
        reference=request.reference or str(folder / GOLDEN),
        columns=request.columns or columns,
        options=options,
    )


def _output(signature: BundleSignature, task: str, folder: Path) -> OutputTensor:
    """The output with the prediction of a task: a probability, or a value in its own units."""
    for each in signature.outputs:
        wanted = "value" if each.kind == REGRESSION else "probability"
        if each.tasks == (task,) and each.gives == wanted and not each.step:
            return each
    raise _unknown(folder, task, [each.name for each in signature.tasks])


def _unknown(folder: Path, task: str, tasks: Sequence[str]) -> ParamsError:
    return ParamsError(
        f"the exported model {folder} doesn't predict the task {task!r}",
        where=folder / SIGNATURE,
        got=", ".join(tasks),
        next_step="name the output that does: --output",
    )
