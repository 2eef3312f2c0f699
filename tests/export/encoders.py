"""Sessions of onnxruntime that only encode raw rows."""

from pathlib import Path

import numpy as np
import polars as pl

from emm.export.columns import ENCODED_DENSE, ENCODED_SPARSE, bag_tensors
from emm.export.feed import feed
from emm.export.graph import build_model, model_signature
from emm.export.write import session, write_model
from emm.predict.encoder import Encoder
from emm.training.store import inputs_of
from emm.trees.gbdt import GradientBoosting
from tests.trees.forest import random_ensemble


def boosted(encoder: Encoder) -> GradientBoosting:
    """A boosted model of one random tree for each task: of all models the one exported fastest."""
    inputs = inputs_of(encoder.schema)
    tasks, outputs = encoder.schema.tasks, encoder.schema.outputs
    trees = [
        random_ensemble(each, 5, number, inputs, each)
        for number, each in enumerate(outputs or [1] * len(tasks))
    ]
    model = GradientBoosting(inputs, len(tasks), ensembles=[each.sizes() for each in trees])
    for empty, full in zip(model.ensembles, trees, strict=True):
        empty.load_state_dict(full.state_dict())
    return model.eval()


class GraphEncoder:
    """The encoder of an exported model."""

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self.schema, tasks = encoder.schema, encoder.schema.tasks
        write_model(build_model(boosted(encoder), tasks, encoder), folder)
        self.inputs = model_signature(tasks, encoder).inputs
        self.names = [ENCODED_DENSE, ENCODED_SPARSE, *bag_tensors(self.schema)]
        self.path = folder / "model.onnx"
        self.session = session(self.path, self.names)

    def encode(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Encoded rows as `Encoder` gives them."""
        dense, sparse, *bags = self.session.run(self.names, feed(rows, self.inputs))
        columns = [
            *map(pl.Series, self.schema.dense_names, dense.T),
            *map(pl.Series, self.schema.sparse_names, sparse.T),
            *(_lists(bag.name, ids) for bag, ids in zip(self.schema.bags, bags, strict=True)),
        ]
        return pl.DataFrame(columns)


def _lists(name: str, ids: np.ndarray) -> pl.Series:
    """The ids of each row without the padding."""
    return pl.Series(name, [row[row > 0].tolist() for row in ids], pl.List(pl.Int32))
