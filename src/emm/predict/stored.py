"""A trained model of the pipeline, which predicts new rows as `evaluate` predicts those of test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from torch import nn

from emm.config.binding import bind
from emm.config.project import PARAMS_FILE, load_project
from emm.core.errors import ModelFileError, ParamsError, choose
from emm.core.paths import parts_of_row
from emm.data.tables.kinds import RawKind
from emm.data.tables.rows import RowTensors
from emm.data.tables.schema import schema_hash
from emm.fusion.emm import EMM
from emm.fusion.members import Members
from emm.fusion.settings import FusionSettings
from emm.nn.bags import BagStore, attach_bags
from emm.outside.factories import trusting
from emm.predict.encoder import Encoder, open_encoder
from emm.predict.model import Logits
from emm.predict.outside import OutsidePool, OutsideScorer, open_members
from emm.training.devices import use_device
from emm.training.fit import predict
from emm.training.settings import TrainingSettings
from emm.training.store import load_models


@dataclass(frozen=True)
class StoredModel:
    """The networks or trees of a row of the table: one for all tasks, or one per task.

    Attributes:
        scorers: of the members from outside that a fused model can't compute itself, by name.
    """

    encoder: Encoder
    networks: tuple[nn.Module, ...]
    device: torch.device
    scorers: Mapping[str, OutsideScorer]

    @property
    def raw(self) -> dict[str, RawKind]:
        """The raw columns that outside members read."""
        return {name: kind for each in self.scorers.values() for name, kind in each.raw.items()}

    def logits(self, encoded: pl.DataFrame, raw: pl.DataFrame) -> Logits:
        """See `emm.predict.model.RowModel`."""
        rows, bags = self._tensors(encoded)
        columns = []
        for network in self.networks:
            attach_bags(network, bags)
            columns.append(predict(network, self._scored(network, rows, encoded, raw)))
        found: Logits = torch.cat(columns, dim=1).float().cpu().numpy()
        return found

    def _tensors(self, encoded: pl.DataFrame) -> tuple[RowTensors, BagStore | None]:
        """The rows as a model reads them, the number of its bags in the last sparse column."""
        schema, rows = self.encoder.schema, len(encoded)
        sparse = _matrix(encoded, schema.sparse_names, np.int32)
        store = None
        if schema.bags:
            sparse = np.column_stack([sparse, np.arange(rows, dtype=np.int32)])
            store = _store(encoded, self.encoder.bags).to(self.device)
        tensors = RowTensors(
            torch.from_numpy(_matrix(encoded, schema.dense_names, np.float32)),
            torch.from_numpy(np.ascontiguousarray(sparse)),
            torch.empty(rows, 0),
        )
        return tensors.to(self.device), store

    def _scored(
        self, network: nn.Module, rows: RowTensors, encoded: pl.DataFrame, raw: pl.DataFrame
    ) -> RowTensors:
        """The rows with the scores of a fused model's outside members, in its order."""
        if not (isinstance(network, EMM) and network.scored):
            return rows
        scores = [self.scorers[name].scores(encoded, raw) for name in network.scored_names]
        return rows.with_cached_predictions(torch.from_numpy(np.hstack(scores)).to(self.device))


class Row(NamedTuple):
    """A row of the table, and the folder of the data on which it was trained."""

    model: StoredModel
    processed: Path


def open_row(
    row: str, *, seed: int | None = None, threads: int | None = None, file: Path = PARAMS_FILE
) -> Row:
    """Open a row of the table, ``dataset/recipe/model``, or ``dataset/model`` of the recipe in
    ``file``, a params.yaml.

    ``seed``: by default the first of the recipe; ``threads``: by default those of the recipe, with
    which evaluate's results have the same bits.
    """
    dataset, recipe, model = _parts(row)
    project = load_project(file, recipe)
    settings, paths = project.recipe(dataset), project.paths(dataset)
    training = settings.read("training", TrainingSettings)
    fusion = settings.read("fusion", FusionSettings)
    known = sorted(each.name for each in paths.model("").glob("*") if each.is_dir())
    choose("trained model", model, known, paths.model(""), "dvc repro, or dvc checkout")
    device = use_device(
        training.device,
        training.threads if threads is None else threads,
        portable=training.portable,
        deterministic=training.deterministic,
    )
    folder = _seed_folder(paths.model(model), training.seeds if seed is None else (seed,))
    pool = OutsidePool(fusion.pool, paths.scores(), f"{settings.path}: fusion.pool")
    with trusting(fusion.factories):
        return Row(open_stored(folder, paths.processed, device, pool), paths.processed)


def open_stored(
    folder: Path, processed: Path, device: torch.device, pool: OutsidePool
) -> StoredModel:
    """Open a trained model of one seed; factories must be trusted.

    ``processed``: the data on which it was trained; ``pool``: of a fused model.
    """
    encoder = open_encoder(processed)
    found = load_models(folder, encoder.schema, schema_hash(processed / "schema.json"))
    scorers = dict[str, OutsideScorer]()
    for each in found:
        if isinstance(each.model, EMM):
            members: Members = bind(Members, each.description.arguments["pool"], "pool", [])
            scorers |= open_members(members, pool, processed, encoder.schema)
    networks = tuple(each.model.to(device) for each in found)
    return StoredModel(encoder, networks, device, scorers)


def _parts(row: str) -> tuple[str, str | None, str]:
    """Dataset, recipe and model of a row."""
    parts = parts_of_row(row)
    if parts is None:
        raise ParamsError(
            f"{row!r} is neither a row of the table nor the folder of an exported model",
            where=Path.cwd(),
            expected="dataset/recipe/model, such as census-income/tuned/emm, or a folder with "
            "model.onnx",
            next_step="correct it; params.yaml in the current folder names datasets and models. "
            "emm.load(folder, dataset) loads a model of any other folder",
        )
    return parts


def _seed_folder(folder: Path, seeds: Sequence[int]) -> Path:
    """The folder of the first seed. Raises ModelFileError if the model isn't trained with it."""
    found = folder / f"seed-{seeds[0]}"
    if found.is_dir():
        return found
    trained = sorted(each.name.removeprefix("seed-") for each in folder.glob("seed-*"))
    raise ModelFileError(
        f"there is no model of seed {seeds[0]}",
        where=folder,
        got=f"seeds {', '.join(trained)}" if trained else "no model",
        next_step="name one of these with --seed, or dvc repro",
    )


def _matrix(rows: pl.DataFrame, names: Sequence[str], kind: type[np.generic]) -> np.ndarray:
    """Columns of rows as one matrix [N, columns] whose rows are contiguous."""
    found = np.empty((len(rows), len(names)), kind)
    for place, name in enumerate(names):
        found[:, place] = rows[name].to_numpy()
    return found


def _store(rows: pl.DataFrame, names: Sequence[str]) -> BagStore:
    """The bags of the rows, each with its own."""
    values, starts = [], []
    for name in names:
        ids = rows[name].explode(empty_as_null=False, keep_nulls=False)
        values.append(torch.tensor(ids.to_numpy(), dtype=torch.int32))
        lengths = torch.tensor(rows[name].list.len().to_numpy(), dtype=torch.int64)
        starts.append(torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]))
    return BagStore(tuple(values), tuple(starts))
