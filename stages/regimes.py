"""Fit a pool of the regimes on all draws of joint rows, and compare its fusions."""

from pathlib import Path
from typing import Annotated

import typer

from emm.core.command import stage
from emm.core.files import atomic_folder
from emm.core.locks import hold
from emm.core.paths import Paths
from emm.data.tables.schema import load_schema, schema_hash
from emm.regimes.fit import fit_all, load_fits
from emm.regimes.results import pool_results, results_file, write_results
from emm.regimes.rows import open_labels
from emm.regimes.settings import REGIMES_FILE, SCRATCH, load_regimes, pool_of

PoolName = Annotated[str, typer.Argument(help=f"name of a pool, or {SCRATCH}")]
File = Annotated[Path, typer.Option(help="the regimes")]
Processed = Annotated[Path, typer.Option(help="folder with the processed data of each dataset")]


def main(
    dataset: str,
    pool: PoolName,
    file: File = REGIMES_FILE,
    processed: Processed = Path("study/tables/data/processed"),
) -> None:
    """Fit POOL of DATASET, or the models from scratch, and write the pool's results."""
    regimes, root = load_regimes(file), file.parent
    chosen = pool_of(regimes, dataset, pool, file)
    data, folder = processed / dataset, root / "data" / dataset
    out = folder / pool
    hold(Paths("", "", Path()).lock(out), out)
    with atomic_folder(out) as temporary:
        fit_all(regimes, dataset, pool, chosen, data, temporary)
    if chosen is None:
        return
    schema, identity = load_schema(data / "schema.json"), schema_hash(data / "schema.json")
    task = regimes.datasets[dataset].task
    own, about = load_fits(out, identity)
    scratch, _ = load_fits(folder / SCRATCH, identity)
    labels = open_labels(data, schema, task)
    found = pool_results(dataset, pool, task, labels, (own, scratch), about)
    write_results(results_file(root, dataset, pool), found)


if __name__ == "__main__":
    stage(main)()
