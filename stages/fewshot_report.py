"""Write the metrics, figures and report page of an image set."""

from emm.config.project import PARAMS_FILE, load_project
from emm.core.command import ParamsFile, Recipe, stage
from fewshot.images import read_index
from fewshot.report.page import ImageFacts, write_few_shot_report
from fewshot.report.results import read_results


def main(images: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Report on IMAGES: data/evaluation -> metrics/IMAGES/RECIPE and reports/IMAGES.md."""
    project = load_project(file, recipe)
    paths = project.paths(images)
    index = read_index(paths.processed)
    write_few_shot_report(
        {kind: read_results(paths.evaluation(f"maml-{kind}")) for kind in project.active.episodes},
        ImageFacts(
            name=images,
            title=index.title,
            licence=index.licence,
            homepage=index.homepage,
            citation=index.citation,
            characters=len(index.characters),
            side=index.side,
        ),
        project.active.recipe,
        metrics=paths.metrics,
        report=paths.report,
    )


if __name__ == "__main__":
    stage(main)()
