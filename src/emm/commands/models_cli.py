"""The commands by which a trained model is used: `emm predict`, `emm export`, `emm serve`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from emm.config.project import PARAMS_FILE
from emm.core.command import ParamsFile
from emm.core.progress import say

models = typer.Typer()


@models.command()
def predict(
    model: Annotated[
        str, typer.Argument(help="dataset/recipe/model, or the folder of an exported model")
    ],
    inputs: Annotated[
        list[str], typer.Argument(help="CSV or Parquet files of raw rows, plain or compressed")
    ],
    out: Annotated[Path, typer.Option(help="file of the predictions: .parquet or .csv")],
    seed: Annotated[
        int | None, typer.Option(help="of the trained model; by default the recipe's first")
    ] = None,
    logits: Annotated[
        bool, typer.Option("--logits", help="write logits in place of probabilities and values")
    ] = False,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, help="of the model; by default those of its training, for an exported one all"
        ),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="ray: an exported model on a Ray cluster")
    ] = "local",
    file: ParamsFile = PARAMS_FILE,
) -> None:
    """Predict new raw rows: one row of predictions for each, in order."""
    from emm.commands.predict import predict_rows

    ray = engine == "ray"
    predict_rows(model, inputs, out, file=file, seed=seed, threads=threads, logits=logits, ray=ray)


@models.command()
def export(
    model: Annotated[str, typer.Argument(help="a trained model: DATASET/RECIPE/MODEL")],
    out: Annotated[Path, typer.Option(help="the folder to write")],
    seed: Annotated[
        int | None, typer.Option(min=0, help="by default the first of the recipe")
    ] = None,
) -> None:
    """Write a trained model as a folder that runs without this project, and check it."""
    from emm.commands.export import export_row

    for line in export_row(model, out, seed):
        say(line)


@models.command()
def serve(
    bundle: Annotated[Path, typer.Argument(help="the folder of an exported model")],
    host: Annotated[
        str, typer.Option(help="address to listen on; there is no authentication")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free")] = 8080,
    name: Annotated[str, typer.Option(help="of the model; by default as it was exported")] = "",
    threads: Annotated[int, typer.Option(min=1, help="of onnxruntime, for each request")] = 1,
) -> None:
    """Serve an exported model by the Open Inference Protocol (v2), on KServe's model server."""
    from emm.export.serving import serve as run_server

    run_server(bundle, host, port, name, threads)
