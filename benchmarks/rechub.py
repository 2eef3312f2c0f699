"""The models of torch-rechub, built, loaded and trained as in its example for Census-Income."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.models.multi_task import AITM, ESMM, MMOE, PLE, SharedBottom
from torch_rechub.trainers import MTLTrainer
from torch_rechub.utils.data import DataGenerator, PredictDataset
from torch_rechub.utils.onnx_export import ONNXExporter

from benchmarks.model_runners import ESMM as ESMM_NAME
from benchmarks.model_runners import Runner, Setting, Timed
from emm.data.tables.rows import Rows
from emm.data.tables.schema import Schema
from emm.nn.mlp import count_parameters

Columns = dict[str, NDArray[Any]]


def rechub_runner(setting: Setting) -> Runner:
    """A model of the same sizes, with the library's own loader, trainer and defaults."""
    torch.manual_seed(setting.seed)
    context, schema = setting.context, setting.context.schema
    model = _fresh(setting.model, schema, setting.arguments)
    trainer = _trainer(model, setting)
    x, y = _columns(context.train, schema), _labels(context.train, setting)
    x_validation = _columns(context.validation, schema)
    y_validation = _labels(context.validation, setting)

    def loaders(rows: int) -> tuple[DataLoader[Any], ...]:
        generator = DataGenerator({name: values[:rows] for name, values in x.items()}, y[:rows])
        found: tuple[DataLoader[Any], ...] = generator.generate_dataloader(
            x_val=x_validation,
            y_val=y_validation,
            x_test=x_validation,
            y_test=y_validation,
            batch_size=setting.schedule.batch_size,
        )
        return found

    def train(rows: int) -> Timed:
        loader = loaders(rows)[0]
        return lambda: trainer.train_one_epoch(loader)

    def predict(batch_size: int) -> Timed:
        loader = DataLoader(PredictDataset(x_validation), batch_size=batch_size)
        return lambda: trainer.predict(trainer.model, loader)

    def scores() -> list[float]:
        found = trainer.evaluate(trainer.model, loaders(1)[1])
        return [float(score) for score in found[-len(schema.tasks) :]]

    return Runner(count_parameters(model), train, predict, scores)


def rechub_epoch(
    name: str,
    rows: Rows,
    schema: Schema,
    arguments: Mapping[str, Any],
    batch_size: int,
    device: str,
) -> Timed:
    """An epoch of a fresh model over ``rows``, with the library's own loader and trainer."""
    torch.manual_seed(0)
    model = _fresh(name, schema, arguments)
    how = {"lr": 1e-3, "weight_decay": 0.0}
    trainer = MTLTrainer(model, task_types=_types(schema), optimizer_params=how, device=device)
    x, y = _columns(rows, schema), _array(rows.labels.float())
    loader = DataGenerator(x, y).generate_dataloader(
        x_val=x, y_val=y, x_test=x, y_test=y, batch_size=batch_size
    )[0]
    return lambda: trainer.train_one_epoch(loader)


def _fresh(name: str, schema: Schema, arguments: Mapping[str, Any]) -> nn.Module:
    return _MODELS[name](_features(schema, arguments["embedding_dim"]), schema, arguments)


def export_onnx(setting: Setting, path: Path) -> None:
    """Write a fresh model of the same sizes as the library's own export: encoded columns in."""
    torch.manual_seed(setting.seed)
    schema = setting.context.schema
    model = _fresh(setting.model, schema, setting.arguments)
    ONNXExporter(model).export(str(path))


def _trainer(model: nn.Module, setting: Setting) -> MTLTrainer:
    optimisation = setting.schedule.optimisation
    return MTLTrainer(
        model,
        task_types=["classification"] * _heads(setting),
        optimizer_params={
            "lr": optimisation.learning_rate,
            "weight_decay": optimisation.weight_decay,
        },
        device="cpu",
    )


def _features(schema: Schema, width: int) -> list[object]:
    sparse = [
        SparseFeature(column.name, column.cardinality, embed_dim=width) for column in schema.sparse
    ]
    return [*sparse, *(DenseFeature(name) for name in schema.dense_names)]


def _columns(rows: Rows, schema: Schema) -> Columns:
    """A contiguous array for each column, of the dtype that the library converts it to."""
    loaded = rows.in_memory(1, 0)
    names = [*schema.sparse_names, *schema.dense_names]
    values = [*loaded.sparse.long().unbind(1), *loaded.dense.unbind(1)]
    return {name: _array(column) for name, column in zip(names, values, strict=True)}


def _heads(setting: Setting) -> int:
    """Number of outputs: ESMM of the library also has, first and without a loss, the CVR."""
    return len(setting.context.schema.tasks) + (setting.model == ESMM_NAME)


def _labels(rows: Rows, setting: Setting) -> NDArray[Any]:
    labels = rows.labels.float()
    if setting.model == ESMM_NAME:
        labels = torch.cat([labels[:, 1:], labels], dim=1)
    return _array(labels)


def _array(values: Tensor) -> NDArray[Any]:
    return np.ascontiguousarray(values.numpy())


def _types(schema: Schema) -> list[str]:
    return ["classification"] * len(schema.tasks)


def _network(sizes: Mapping[str, Any], widths: str) -> dict[str, Any]:
    return {"dims": list(sizes[widths]), "dropout": sizes["dropout"]}


def _towers(schema: Schema, sizes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_network(sizes, "tower") for _ in schema.tasks]


def _shared_bottom(features: list[object], schema: Schema, sizes: Mapping[str, Any]) -> nn.Module:
    return SharedBottom(
        features,
        _types(schema),
        bottom_params=_network(sizes, "bottom"),
        tower_params_list=_towers(schema, sizes),
    )


def _mmoe(features: list[object], schema: Schema, sizes: Mapping[str, Any]) -> nn.Module:
    return MMOE(
        features,
        _types(schema),
        n_expert=sizes["experts"],
        expert_params=_network(sizes, "expert"),
        tower_params_list=_towers(schema, sizes),
    )


def _ple(features: list[object], schema: Schema, sizes: Mapping[str, Any]) -> nn.Module:
    return PLE(
        features,
        _types(schema),
        n_level=sizes["levels"],
        n_expert_specific=sizes["specific_experts"],
        n_expert_shared=sizes["shared_experts"],
        expert_params=_network(sizes, "expert"),
        tower_params_list=_towers(schema, sizes),
    )


def _aitm(features: list[object], schema: Schema, sizes: Mapping[str, Any]) -> nn.Module:
    return AITM(
        features,
        len(schema.tasks),
        bottom_params=_network(sizes, "bottom"),
        tower_params_list=_towers(schema, sizes),
    )


def _esmm(features: list[object], _schema: Schema, sizes: Mapping[str, Any]) -> nn.Module:
    """ESMM without the dense features, which it can't read; its groups make no difference."""
    sparse = [feature for feature in features if isinstance(feature, SparseFeature)]
    tower = _network(sizes, "tower")
    return ESMM(sparse[:1], sparse[1:], cvr_params=dict(tower), ctr_params=dict(tower))


_MODELS: Mapping[str, Callable[[list[object], Schema, Mapping[str, Any]], nn.Module]] = {
    "shared_bottom": _shared_bottom,
    "mmoe": _mmoe,
    "ple": _ple,
    "aitm": _aitm,
    ESMM_NAME: _esmm,
}
