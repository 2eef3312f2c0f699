"""Fitting of one pool of a dataset, or of the models from scratch, on all draws of joint rows."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from emm.core.errors import DataError
from emm.core.files import sha256, write_json
from emm.core.progress import say
from emm.data.tables.rows import RowTensors
from emm.fusion.stacking.ladder import Stack
from emm.metrics.ranking import auc
from emm.regimes.members import Predictor, Trained, train_members
from emm.regimes.methods import fit_from_scratch, fit_fusions, joint_of
from emm.regimes.rows import Table, of_task, open_table, open_test
from emm.regimes.settings import ALL, Pool, Regimes

FORMAT = 1
PREDICTIONS, ABOUT = "predictions.safetensors", "about.json"

Steps = list[dict[str, Any]]


@dataclass(frozen=True)
class Fits:
    """What was fitted on the joint rows of one draw.

    Attributes:
        rows: number of joint rows.
        draw: its number, from 0.
        methods: a predictor of each method.
        members: of the pool; {} without a pool.
        steps: of EMM, as they are written to about.json.
    """

    rows: int
    draw: int
    methods: Mapping[str, Predictor]
    members: Mapping[str, Predictor]
    steps: Steps


def fit_all(
    regimes: Regimes, dataset: str, name: str, pool: Pool | None, processed: Path, out: Path
) -> None:
    """Fit everything, then read test and write the predictions for it to ``out``.

    ``pool``: None for the models from scratch.
    """
    table = open_table(processed)
    task = regimes.datasets[dataset].task
    fitted = [*_draws(regimes, table, task, f"{dataset}/{name}", pool)]
    test = of_task(open_test(table), table.schema, task)
    found = {
        f"{method}/{fits.rows}/{fits.draw}": predict(test).double()
        for fits in fitted
        for method, predict in fits.methods.items()
    }
    out.mkdir(parents=True, exist_ok=True)
    save_file(found, out / PREDICTIONS)
    about = {
        "format": FORMAT,
        "schema_sha256": table.context.schema_sha256,
        "joint_rows": regimes.sizes(len(table.halves(0).joint))[-1],
        "members": _member_scores(fitted, test),
        "fits": [_plain(fits) for fits in fitted],
        "predictions_sha256": sha256(out / PREDICTIONS),
    }
    write_json(out / ABOUT, about)


def load_fits(folder: Path, schema_sha256: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The predictions and about.json of a folder. Raises DataError if they don't belong together
    or to this data."""
    try:
        about: Any = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        own = sha256(folder / PREDICTIONS)
    except (OSError, ValueError) as error:
        raise _refused(folder, f"can't be read: {error}") from error
    if about.get("format") != FORMAT or about.get("predictions_sha256") != own:
        raise _refused(folder, "are damaged or of another format")
    if about.get("schema_sha256") != schema_sha256:
        raise _refused(folder, "belong to data with another encoding")
    return load_file(folder / PREDICTIONS), about


def _draws(
    regimes: Regimes, table: Table, task: str, title: str, pool: Pool | None
) -> Iterator[Fits]:
    for draw in range(regimes.draws):
        halves = table.halves(draw)
        members = train_members(table, halves, pool, task) if pool else None
        for rows in regimes.sizes(len(halves.joint)):
            if draw >= regimes.draws_of(rows):
                continue
            own = halves.draw_joint(rows)
            joint = joint_of(table, own, task, regimes.folds, draw)
            # Halves differ by a few rows: all of them count as one number of rows.
            size = rows if rows in regimes.rows else ALL
            if members is None:
                yield Fits(size, draw, fit_from_scratch(joint), {}, [])
            else:
                methods, stack = fit_fusions(joint, members)
                yield Fits(size, draw, methods, _all(members), _steps(stack))
            say(f"{title}: draw {draw + 1}, {rows:,} joint rows")


def _all(members: Trained) -> dict[str, Predictor]:
    return {**members.own, **members.others}


def _steps(stack: Stack) -> Steps:
    return [asdict(step) for step in stack.steps]


def _plain(fits: Fits) -> dict[str, Any]:
    return {"rows": fits.rows, "draw": fits.draw, "steps": fits.steps}


def _member_scores(fitted: list[Fits], test: RowTensors) -> dict[str, list[float]]:
    """The AUC on test of each member, by draw."""
    labels = test.labels[:, 0].float()
    first = {fits.draw: fits.members for fits in fitted if fits.rows == fitted[0].rows}
    names = [*fitted[0].members]
    return {
        name: [auc(members[name](test), labels) for members in first.values()] for name in names
    }


def _refused(folder: Path, what: str) -> DataError:
    return DataError(
        f"the predictions of the regimes {what}",
        where=folder,
        next_step=f"dvc repro in study/regimes/, for {folder.name} of {folder.parent.name}",
    )
