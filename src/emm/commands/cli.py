"""The command line `emm`, for people; the pipeline itself runs the scripts in stages/."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml

from emm.core.command import DEBUG, run
from emm.core.errors import ParamsError
from emm.core.progress import say

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Fuse trained single-task models into one multi-task model. The pipeline: `dvc repro`.",
    epilog=f"{DEBUG} shows the traceback of an error.",
)


def main() -> None:
    """Entry point of the console script."""
    run(app)


@app.command()
def check(
    fix: Annotated[
        bool, typer.Option("--fix", help="write the missing rows into dvc.yaml")
    ] = False,
) -> None:
    """Check params.yaml, conf/, and that dvc.yaml waits for every model that params.yaml names."""
    from emm.commands.check import check_project
    from emm.config.project import load_project
    from emm_dvc.graph import read_stages
    from emm_dvc.keys import missing_keys
    from emm_dvc.rows import fix_rows, wrong_rows

    project = load_project()
    check_project(project)
    dvc_yaml = Path("dvc.yaml")
    if fix:
        for line in fix_rows(dvc_yaml, project.file):
            say(f"dvc.yaml: {line}")
    rows = wrong_rows(dvc_yaml, project.active)
    faults = [*rows, *missing_keys(read_stages(dvc_yaml), project)]
    if faults:
        raise ParamsError(
            "dvc.yaml and params.yaml don't agree:\n" + "\n".join(f"  - {f}" for f in faults),
            next_step="emm check --fix" if rows else "add the keys to conf/, then `emm check`",
        )
    say("params.yaml, conf/ and dvc.yaml are in order")


@app.command()
def decompose(
    dataset: Annotated[str, typer.Argument(help="an active dataset, preprocessed already")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print the plan only")] = False,
) -> None:
    """Show how the trained models would be taken apart; `dvc repro` does it."""
    if not dry_run:
        raise ParamsError(
            "decomposing is a stage of the pipeline",
            next_step=f"dvc repro decompose@{dataset}, or --dry-run to see the plan",
        )
    from rich.console import Console

    from emm.config.project import load_project
    from emm.fusion.plan import decomposition_plan

    Console().print(decomposition_plan(load_project(), dataset))


@app.command()
def results(
    dataset: Annotated[str, typer.Argument(help="a dataset that has been reported")] = "",
) -> None:
    """Print the table of test scores from metrics/, of one dataset or of all active ones."""
    for table in _tables(dataset):
        typer.echo(table)


@app.command()
def readme(
    path: Annotated[Path, typer.Argument(help="the file to update")] = Path("README.md"),
) -> None:
    """Put the table of results between the README's markers."""
    from emm.config.project import load_project
    from emm.core.files import write_text
    from emm.report.library import library_table
    from emm.report.readme import readme_block, replace_block

    tables = [*_tables(""), library_table(Path("metrics"), load_project().active.recipe)]
    write_text(path, replace_block(path.read_text(encoding="utf-8"), readme_block(tables)))
    say(f"{path} is up to date")


@app.command()
def show(
    folder: Annotated[Path, typer.Argument(help="a trained model's folder")],
) -> None:
    """Describe a stored model and verify its weights."""
    from rich.console import Console

    from emm.training.store import load_description

    about: dict[str, Any] = vars(load_description(folder))
    Console().print(about)


@app.command()
def merge_lock(
    base: Annotated[Path, typer.Argument(help="the common ancestor's: git's %O")],
    ours: Annotated[Path, typer.Argument(help="this branch's, which becomes the result: %A")],
    theirs: Annotated[Path, typer.Argument(help="the other branch's: %B")],
    name: Annotated[str, typer.Argument(help="what messages call it: %P")] = "dvc.lock",
) -> None:
    """Merge dvc.lock stage by stage; git runs this once `make setup` has told it so."""
    from emm_dvc.merge import merge_lock_files

    merged = merge_lock_files(base, ours, theirs)
    say(f"{name}: merged {len(merged.lock.stages)} stages")
    if merged.dropped:
        say(f"  left out, as both sides changed them: {', '.join(merged.dropped)}")
        say("  next: dvc repro")


@app.command()
def merge_readme(
    base: Annotated[Path, typer.Argument(help="the common ancestor's: git's %O")],
    ours: Annotated[Path, typer.Argument(help="this branch's, which becomes the result: %A")],
    theirs: Annotated[Path, typer.Argument(help="the other branch's: %B")],
) -> None:
    """Merge README.md around its table of results; git runs this once `make setup` has told it."""
    from emm_dvc.merge import merge_readmes

    if merge_readmes(base, ours, theirs):
        say("README.md: kept our table of results\n  next: dvc repro && make readme")


@app.command()
def tune(
    dataset: Annotated[str, typer.Argument(help="an active dataset, preprocessed already")],
    models: Annotated[list[str], typer.Argument(help="models of tuning.yaml, one after another")],
    recipe: Annotated[str, typer.Option(help="whose training protocol")] = "tuned",
    file: Annotated[Path, typer.Option("--params", help="the settings")] = Path("params.yaml"),
) -> None:
    """Try each model's lists of tuning.yaml on validation; logs go to tuning/."""
    from emm.config.project import load_project
    from emm.tuning.space import load_space, log_of
    from emm.tuning.tune import tune as run_tuning

    project, space = load_project(file, recipe), load_space(dataset)
    for model in models:
        best = run_tuning(project, dataset, model, space, log_of(dataset, model))
        say(f"{model}: trial {best.trial}, mean validation AUC {best.mean_auc:.5f}")
        typer.echo(yaml.safe_dump({model: dict(best.section)}, default_flow_style=None))


@app.command()
def verify(
    remote: Annotated[str, typer.Option(help="also read objects of this remote")] = "",
    sample: Annotated[int, typer.Option(min=1, help="how many of the remote's objects")] = 20,
    whole: Annotated[bool, typer.Option("--all", help="all that dvc.lock names")] = False,
) -> None:
    """Hash again what dvc.lock names; say what is damaged and how to repair it."""
    from emm_dvc.verify.command import verify as run_verify

    sound, told = run_verify(Path.cwd(), remote or None, None if whole else sample)
    typer.echo(told)
    if not sound:
        raise typer.Exit(1)


@app.command()
def repro(
    targets: Annotated[list[str] | None, typer.Argument(help="as for dvc repro")] = None,
    jobs: Annotated[int, typer.Option(min=0, help="stages at once; 0: one a CPU")] = 2,
    gpus: Annotated[str, typer.Option(help="such as 0,1: each slot sees one of them")] = "",
    keep_going: Annotated[
        bool, typer.Option("--keep-going", "-k", help="run what doesn't depend on a failure")
    ] = False,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="this machine, or a Ray cluster")
    ] = "local",
    dry: Annotated[
        bool, typer.Option("--dry", help="show what would run and why, also without the data")
    ] = False,
) -> None:
    """Run the pipeline as `dvc repro` does, independent stages at once."""
    if dry:
        from rich.console import Console

        from emm_dvc.repro.dry import dry_run

        Console().print(dry_run(targets or []))
        return
    from emm_dvc.repro.run import reproduce

    reproduce(targets or [], jobs, [gpu for gpu in gpus.split(",") if gpu], keep_going, engine)


@app.command()
def accept(
    stages: Annotated[list[str] | None, typer.Argument(help="by default all that changed")] = None,
    since: Annotated[
        str, typer.Option(help="the commit with the code that dvc.lock recorded")
    ] = "",
    rerun: Annotated[
        bool, typer.Option("--rerun", help="where syntax proves nothing, run the first seed")
    ] = False,
    project: Annotated[Path, typer.Option(help="the DVC project, such as study")] = Path(),
) -> None:
    """Record new hashes of code in dvc.lock if results are proven to stay the same."""
    from emm_dvc.accept.accept import accept as accept_stages

    accepted = accept_stages(project, stages or [], since=since or None, rerun=rerun)
    for each in accepted:
        say(f"{each.stage}: accepted, {each.proof}")
    if not accepted:
        say("nothing to accept: dvc.lock has the code of now")


def _tables(dataset: str) -> list[str]:
    from emm.config.project import load_project
    from emm.report.readme import results_table

    project = load_project()
    active = project.active
    names = [dataset] if dataset else active.datasets
    return [
        results_table(Path("metrics"), name, active.recipe, active.table, active.trained)
        for name in names
        if project.data(name)
    ]
