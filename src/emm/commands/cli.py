"""The command line `emm`, for people; the pipeline itself runs the scripts in stages/."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml

from emm.commands.models_cli import models
from emm.commands.pool_cli import pool
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
app.add_typer(pool, name="pool")
app.add_typer(models)


def main() -> None:
    """Entry point of the console script."""
    run(app)


@app.command()
def check(
    fix: Annotated[bool, typer.Option("--fix", help="complete conf/ and dvc.yaml")] = False,
) -> None:
    """Check params.yaml and conf/, and that dvc.yaml names every model of params.yaml."""
    from emm.commands.check import check_project
    from emm.config.project import load_project
    from emm_dvc.graph import read_stages
    from emm_dvc.keys import missing_keys
    from emm_dvc.lists import missing_lists
    from emm_dvc.rows import teachers_of, wrong_rows

    project, dvc_yaml = load_project(), Path("dvc.yaml")
    if fix:
        from emm.commands.fix import fix_files

        for line in fix_files(project):
            say(line)
        project = load_project()
    stages = read_stages(dvc_yaml)
    check_project(project)
    faults = [
        *missing_lists(stages, project),
        *wrong_rows(dvc_yaml, project.active, teachers_of(project)),
        *missing_keys(stages, project),
    ]
    if faults:
        raise ParamsError(
            "dvc.yaml, params.yaml and conf/ don't agree:\n"
            + "\n".join(f"  - {fault}" for fault in faults),
            next_step="emm check --fix",
        )
    say("params.yaml, conf/ and dvc.yaml are in order")


@app.command()
def decompose(
    dataset: Annotated[str, typer.Argument(help="an active dataset that is preprocessed")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only print the plan")] = False,
) -> None:
    """Show where the trained models would be cut; `dvc repro` cuts them."""
    if not dry_run:
        raise ParamsError(
            "decompose is a stage of the pipeline",
            next_step=f"dvc repro decompose@{dataset}, or --dry-run to see the plan",
        )
    from rich.console import Console

    from emm.config.project import load_project
    from emm.fusion.plan import decomposition_plan

    Console().print(decomposition_plan(load_project(), dataset))


@app.command()
def results(
    dataset: Annotated[str, typer.Argument(help="a dataset; by default all active ones")] = "",
) -> None:
    """Print the tables of test scores from metrics/."""
    for table in _tables(dataset):
        typer.echo(table)


@app.command()
def readme(
    path: Annotated[Path, typer.Argument(help="the file to update")] = Path("README.md"),
) -> None:
    """Write the tables of results between the markers of README.md."""
    from emm.config.project import load_project
    from emm.core.files import write_text
    from emm.report.library import library_table
    from emm.report.readme import readme_block, replace_block

    tables = [*_tables(""), library_table(Path("metrics"), load_project().active.recipe)]
    write_text(path, replace_block(path.read_text(encoding="utf-8"), readme_block(tables)))
    say(f"{path} is up to date")


@app.command()
def show(
    folder: Annotated[Path, typer.Argument(help="folder of a trained model")],
) -> None:
    """Describe a stored model and verify its weights."""
    from rich.console import Console

    from emm.training.store import load_description

    about: dict[str, Any] = vars(load_description(folder))
    Console().print(about)


@app.command()
def merge_lock(
    base: Annotated[Path, typer.Argument(help="file of the common ancestor: %O of git")],
    ours: Annotated[Path, typer.Argument(help="file of this branch, which becomes the result: %A")],
    theirs: Annotated[Path, typer.Argument(help="file of the other branch: %B")],
    name: Annotated[str, typer.Argument(help="its name in messages: %P")] = "dvc.lock",
) -> None:
    """Merge dvc.lock stage by stage: a merge driver that `make setup` registers."""
    from emm_dvc.merge import merge_lock_files

    merged = merge_lock_files(base, ours, theirs)
    say(f"{name}: merged {len(merged.lock.stages)} stages")
    if merged.dropped:
        say(f"  left out because both sides changed them: {', '.join(merged.dropped)}")
        say("  next: dvc repro")


@app.command()
def merge_readme(
    base: Annotated[Path, typer.Argument(help="file of the common ancestor: %O of git")],
    ours: Annotated[Path, typer.Argument(help="file of this branch, which becomes the result: %A")],
    theirs: Annotated[Path, typer.Argument(help="file of the other branch: %B")],
) -> None:
    """Merge README.md around its table of results: a merge driver of `make setup`."""
    from emm_dvc.merge import merge_readmes

    if merge_readmes(base, ours, theirs):
        say("README.md: kept our table of results\n  next: dvc repro && make readme")


@app.command()
def tune(
    dataset: Annotated[str, typer.Argument(help="an active dataset that is preprocessed")],
    models: Annotated[list[str], typer.Argument(help="models of tuning.yaml")],
    recipe: Annotated[str, typer.Option(help="recipe whose training protocol is used")] = "tuned",
    file: Annotated[Path, typer.Option("--params", help="parameter file")] = Path("params.yaml"),
) -> None:
    """Search the lists of tuning.yaml for hyper-parameters, on validation; logs in tuning/."""
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
    remote: Annotated[str, typer.Option(help="read objects of this remote, too")] = "",
    sample: Annotated[int, typer.Option(min=1, help="objects of the remote to read")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="read all of them")] = False,
    rerun: Annotated[str, typer.Option(metavar="MODEL", help="train it again, compare")] = "",
) -> None:
    """Compare every file that dvc.lock names with its hash; say how to repair damage."""
    from emm_dvc.verify.command import verify as run_verify

    sound, report = run_verify(Path.cwd(), remote or None, None if everything else sample, rerun)
    typer.echo(report)
    if not sound:
        raise typer.Exit(1)


@app.command()
def repro(
    targets: Annotated[list[str] | None, typer.Argument(help="as for dvc repro")] = None,
    jobs: Annotated[int, typer.Option(min=0, help="stages at once; 0: one per CPU")] = 2,
    gpus: Annotated[str, typer.Option(help="such as 0,1: each job sees one of them")] = "",
    keep_going: Annotated[
        bool,
        typer.Option("--keep-going", "-k", help="after a failure, run what doesn't depend on it"),
    ] = False,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="this machine, or a Ray cluster")
    ] = "local",
    dry: Annotated[bool, typer.Option("--dry", help="only say what would run and why")] = False,
) -> None:
    """Run the pipeline like `dvc repro`, independent stages in parallel."""
    if dry:
        from rich.console import Console

        from emm_dvc.repro.dry import dry_run

        Console().print(dry_run(targets or []))
        return
    from emm_dvc.repro.run import reproduce

    reproduce(targets or [], jobs, [gpu for gpu in gpus.split(",") if gpu], keep_going, engine)


@app.command()
def accept(
    stages: Annotated[
        list[str] | None, typer.Argument(help="by default all whose code changed")
    ] = None,
    since: Annotated[str, typer.Option(help="commit whose code dvc.lock has recorded")] = "",
    rerun: Annotated[
        bool,
        typer.Option("--rerun", help="compare a run of the first seed where the syntax differs"),
    ] = False,
    project: Annotated[
        Path, typer.Option(help="folder of the DVC project, such as study")
    ] = Path(),
) -> None:
    """Record changed code in dvc.lock after proving that it can't change results."""
    from emm_dvc.accept.accept import accept as accept_stages

    accepted = accept_stages(project, stages or [], since=since or None, rerun=rerun)
    for each in accepted:
        say(f"{each.stage}: accepted, {each.proof}")
    if not accepted:
        say("nothing to accept: dvc.lock has the current code")


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
