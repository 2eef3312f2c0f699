"""MMoE and PLE of FuxiCTR, loaded and trained by the library as its run_expid.py does."""

from collections import OrderedDict
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from fuxictr.features import FeatureMap
from fuxictr.pytorch.dataloaders.npz_dataloader import NpzDataLoader
from numpy.typing import NDArray

from benchmarks.fuxi_models import PLE, MMoE
from benchmarks.model_runners import Runner, Setting, Timed
from emm.data.tables.rows import Rows
from emm.data.tables.schema import Schema
from emm.metrics.ranking import auc
from emm.nn.mlp import count_parameters

MODELS = {"mmoe": MMoE, "ple": PLE}
_MAX_NORM = 10.0  # of the gradients, the library's default


def fuxi_runner(setting: Setting) -> Runner:
    """A model of the same sizes, with the library's own loader, trainer and defaults."""
    torch.manual_seed(setting.seed)
    place = TemporaryDirectory()  # removed with the runner, which holds it
    folder, schema = Path(place.name), setting.context.schema
    features = _features(schema)
    model: Any = MODELS[setting.model](features, setting.arguments, str(folder))
    how = setting.schedule.optimisation
    # The library's own has no weight decay.
    model.optimizer = torch.optim.Adam(
        model.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay
    )
    model._max_gradient_norm, model._eval_steps = _MAX_NORM, inf
    model._total_steps, model._stop_training = 0, False

    def loader(name: str, rows: Rows, batch_size: int, *, shuffle: bool) -> Any:
        path = folder / f"{name}.npz"
        np.savez(path, **_columns(rows, schema))
        return NpzDataLoader(features, str(path), batch_size=batch_size, shuffle=shuffle)

    def train(rows: int) -> Timed:
        part = setting.context.train.in_memory(1, 0).part(0, rows)
        batches = loader("train", part, setting.schedule.batch_size, shuffle=True)
        return lambda: model.train_epoch(batches)

    def predict(batch_size: int) -> Timed:
        batches = loader("validation", setting.context.validation, batch_size, shuffle=False)
        return lambda: model.predict(batches)

    def scores() -> list[float]:
        assert place.name  # keeps the folder
        found = predict(16_384)()
        labels = setting.context.validation.labels
        tasks = enumerate(schema.tasks)
        return [auc(torch.tensor(found[task]), labels[:, n]) for n, task in tasks]  # type: ignore[index]

    return Runner(count_parameters(model), train, predict, scores)


def _features(schema: Schema) -> FeatureMap:
    """The library's description of the columns."""
    found = FeatureMap(schema.dataset, "")
    found.labels = list(schema.tasks)
    found.features = OrderedDict(
        {
            column.name: {"type": "categorical", "source": "", "vocab_size": column.cardinality}
            for column in schema.sparse
        }
    )
    found.features |= {name: {"type": "numeric", "source": ""} for name in schema.dense_names}
    found.num_fields = found.get_num_fields()
    found.set_column_index()
    return found


def _columns(rows: Rows, schema: Schema) -> dict[str, NDArray[Any]]:
    loaded = rows.in_memory(1, 0)
    names = [*schema.sparse_names, *schema.dense_names, *schema.tasks]
    values = [*loaded.sparse.unbind(1), *loaded.dense.unbind(1), *loaded.labels.unbind(1)]
    return {name: column.numpy() for name, column in zip(names, values, strict=True)}
