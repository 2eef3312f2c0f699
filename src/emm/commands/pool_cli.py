"""`emm pool`: the commands about trained models from outside."""

from pathlib import Path
from typing import Annotated, Any

import typer

from emm.core.progress import say

pool = typer.Typer(no_args_is_help=True, help="Trained models from outside: add one, list them.")

ADD_HELP = "Read a trained model, check it and write it into the configuration."


@pool.command(help=ADD_HELP)
def add(
    file: Annotated[Path, typer.Argument(help="the model's file in pool/: see pool/README.md")],
    dataset: Annotated[str, typer.Option(help="the dataset whose columns it reads")],
    task: Annotated[str, typer.Option(help="the task that it predicts")],
    reference: Annotated[
        str,
        typer.Option(
            help="rows with the model's own predictions, or `none`; by default the file "
            "NAME.reference.parquet or .csv next to the model"
        ),
    ] = "",
    output: Annotated[str, typer.Option(help="of several outputs, which one: prob[:, 1]")] = "",
    name: Annotated[str, typer.Option(help="in the pool; by default that of the file")] = "",
    columns: Annotated[
        list[str] | None,
        typer.Option(
            help="`encoded`, `raw`, or INPUT=COLUMN, INPUT='SQL expression', once per input; "
            "the other inputs by name"
        ),
    ] = None,
    gives: Annotated[str, typer.Option(help="probability, logit or value")] = "",
    tolerance: Annotated[
        float | None, typer.Option(help="largest difference from the reference, with a reason")
    ] = None,
    reason: Annotated[str, typer.Option(help="why predictions differ by more than 1e-5")] = "",
    factory: Annotated[
        str, typer.Option(help="of .safetensors weights: the function that builds the network")
    ] = "",
    tower: Annotated[str, typer.Option(help="of such a network: the module of its tower")] = "",
    only_print: Annotated[
        bool, typer.Option("--print", help="print the entry, and write nothing")
    ] = False,
) -> None:
    from emm.commands.pool_add import add_model
    from emm.commands.pool_entry import Request
    from emm.config.project import load_project

    given: dict[str, Any] = {
        "output": output,
        "gives": gives,
        "tolerance": tolerance,
        "reason": reason,
        "factory": factory,
        "tower": tower,
    }
    options = {key: value for key, value in given.items() if value not in ("", None)}
    request = Request(file, dataset, task, reference, name, tuple(columns or ()), options)
    for line in add_model(load_project(), request, write=not only_print):
        typer.echo(line) if only_print and line.startswith("fusion:") else say(line)


@pool.command("list")
def list_members(
    dataset: Annotated[str, typer.Argument(help="a dataset; by default all active ones")] = "",
) -> None:
    """Show the members of the pool: kind, task, layers or levels, AUC, checked or not."""
    from rich.console import Console

    from emm.commands.pool_list import pool_table
    from emm.config.project import load_project

    project = load_project()
    for each in [dataset] if dataset else project.active.datasets:
        Console().print(pool_table(project, each))
