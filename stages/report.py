"""Write the metrics files, the curves, the figures and the page that people read."""

from emm.config.project import PARAMS_FILE, load_project
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.locks import hold
from emm.data.tables.schema import load_schema
from emm.report.facts import facts_of
from emm.report.new_rows import add_seen
from emm.report.remarks import is_mean, starts_as_average
from emm.report.write import write_report


def main(dataset: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Report on DATASET: data/evaluation -> metrics/, plots/ and reports/."""
    project = load_project(file, recipe)
    active, paths, settings = project.active, project.paths(dataset), project.recipe(dataset)
    hold(paths.lock(paths.report), paths.report)
    write_report(
        [(model, paths.evaluation(model)) for model in active.table],
        add_seen(facts_of(dataset, load_schema(paths.schema)), paths.seen),
        active.recipe,
        trained=active.trained,
        fused=active.fused,
        metrics=paths.metrics,
        plots=project.root / "plots" / dataset / active.recipe,
        report=paths.report,
        averages=[
            model for model in active.fused if starts_as_average(settings.section(f"train.{model}"))
        ],
        mean=next((x for x in active.fused if is_mean(settings.section(f"train.{x}"))), None),
    )


if __name__ == "__main__":
    stage(main)()
