"""`emm pool add`: say what a trained model is and how it will join, check it, write its entry."""

from collections.abc import Iterator
from pathlib import Path

from emm.commands.check import check_project
from emm.commands.fix import fix_files
from emm.commands.pool_bundle import with_bundle
from emm.commands.pool_entry import Request, bound, entry_of, in_order
from emm.commands.pool_files import entry_text, write_entry
from emm.config.project import Project, load_project
from emm.core.errors import DataError
from emm.data.tables.schema import load_schema
from emm.fusion.member_facts import MemberFacts, metric_of, warnings_of
from emm.fusion.plan import why_opaque
from emm.fusion.units import units_of
from emm.outside.check import (
    Opened,
    check_reference,
    gives_of,
    open_entry,
    require_inputs,
    train_columns,
)
from emm.outside.factories import trusting
from emm.outside.logits import to_logits
from emm.outside.member import Checked
from emm.outside.open import join_of
from emm.outside.quality import quality
from emm.outside.scorer import Opaque, Torch
from emm.outside.typed import model_batches

SHOWN = 12  # inputs that are called as their columns

KINDS = {
    "onnx": "an ONNX model",
    "lightgbm": "trees of LightGBM",
    "xgboost": "trees of XGBoost",
    "catboost": "a CatBoost model",
    "network": "a PyTorch network",
}


def add_model(project: Project, request: Request, *, write: bool) -> Iterator[str]:
    """Check a model and add it to the pool; yields what a user should read, line by line.

    With ``write`` False, the last line is the entry, and no file changes. Raises ParamsError,
    DataError or ModelFileError if the model can't join.
    """
    request = with_bundle(request)
    name, keys = entry_of(project, request)
    entry = bound(name, keys)
    paths = project.paths(request.dataset)
    schema = load_schema(paths.schema)
    where = f"fusion.pool.{name}"
    with trusting([entry.factory] if entry.factory else []):
        opened = open_entry(name, entry, paths.processed, schema, where)
        yield from _described(opened)
        require_inputs(opened, where)
        yield f"  joins {_joining(project, request.dataset, opened)}"
        yield from _checked(opened, paths.processed)
    if opened.model.kind in ("lightgbm", "xgboost"):
        keys = in_order(keys | {"columns": entry.columns or opened.model.columns})  # as it proved
    if not write:
        yield entry_text(name, keys).rstrip()
        return
    raw = opened.columns if opened.model.columns == "raw" else ()
    changes = write_entry(project, request.dataset, name, keys, raw)
    written = load_project(project.file)
    for change in (*changes, *fix_files(written)):
        yield f"written: {change}"
    check_project(load_project(project.file))
    yield _next_step(project, request.dataset)


def _next_step(project: Project, dataset: str) -> str:
    if dataset in project.active.datasets:
        return "next: dvc repro"
    return f"next: name {dataset} in `datasets` of {project.file}, then emm check --fix"


def _described(opened: Opened) -> Iterator[str]:
    """What the file is, and the column that each input reads."""
    model, inputs = opened.model, opened.matches.inputs
    count = len(model.inputs)
    yield (
        f"{opened.entry.path}: {KINDS[model.kind]} of {opened.entry.task}, which reads "
        f"{count} {model.columns} column{'s' if count != 1 else ''}"
    )
    alike = [name for name, text in inputs.items() if name == text]
    if alike:
        more = f" and {len(alike) - SHOWN} more" if len(alike) > SHOWN else ""
        yield f"  by their names: {', '.join(alike[:SHOWN])}{more}"
    for name, text in inputs.items():
        if name != text:
            yield f"  {name} reads {text}"
    for sentence in (*model.said, *opened.matches.said):
        yield f"  {sentence}"


def _joining(project: Project, dataset: str, opened: Opened) -> str:
    """How the model joins the pool that there would be without other outside models."""
    join = join_of(opened.model, opened.context)
    if isinstance(join, Opaque):
        return f"as an opaque member: {join.reason}"
    if isinstance(join, Torch):
        trees = opened.model.kind != "network"
        return (
            "by boosting rounds" if trees else "as layers; `emm decompose --dry-run` shows the cuts"
        )
    reason = why_opaque(project, dataset, opened.name, opened.context.task, join.layers)
    if reason is not None:
        return f"as an opaque member: {reason}"
    places = [str(unit.linear.structure) for unit in units_of(join.layers[1:-1])]
    return f"as layers, and can be cut after {'; '.join(places) or 'its last layer'}"


def _checked(opened: Opened, processed: Path) -> Iterator[str]:
    """The comparison with the original's predictions, and the quality on validation."""
    if not _is_kept(opened, processed):
        fitted = train_columns(opened, processed, kept=False)
        yield _compared(check_reference(opened, fitted))
        yield "  validation: its columns aren't kept yet; dvc repro scores these rows"
        return
    rows, model = opened.split(processed, "validation"), opened.model
    found = model.predict(model_batches(rows, model.inputs, opened.matches.inputs))
    gives, how = gives_of(opened, found)
    checked = check_reference(opened, train_columns(opened, processed), gives)
    if how:
        yield f"  {how}"
    yield _compared(checked)
    context = opened.context
    logits = to_logits(found, gives, context.kind, context.target)
    value = quality(context.kind, logits, processed, "validation", context.task)
    yield from _quality(opened, value, checked)


def _is_kept(opened: Opened, processed: Path) -> bool:
    """Whether the columns are there that the model reads."""
    try:
        opened.split(processed, "validation")
    except DataError:
        return False
    return True


def _compared(checked: Checked | None) -> str:
    if checked is None:
        return "  unchecked: there is no reference, and the report will say so"
    return (
        f"  reference: {checked.rows:,} rows, largest difference "
        f"{checked.largest_difference:.1g} (at most {checked.tolerance:g})"
    )


def _quality(opened: Opened, value: float | None, checked: Checked | None) -> Iterator[str]:
    """The score of the labelled rows of validation, and what is suspicious about it."""
    metric = metric_of(opened.context.kind)
    measure = "AUC" if metric == "auc" else "R²"
    yield f"  validation: {measure} " + ("undefined" if value is None else f"{value:.4f}")
    task, kind = opened.context.task, opened.model.kind
    facts = MemberFacts(opened.name, task, kind, "opaque", True, metric, value, None, 0.0, checked)
    for warning in warnings_of(facts):
        yield f"  warning: {warning}"
