"""Running ONNX models with onnxruntime on the CPU."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from emm.core.errors import DataError, ModelFileError
from emm.core.onnx_packages import onnx_library, onnxruntime_library
from emm.outside.onnx.inputs import OnnxInput

THREADS = 2


class Session:
    """A loaded model that gives the values of some of its tensors, its outputs by default."""

    def __init__(
        self,
        where: object,
        model: Any,
        inputs: Sequence[OnnxInput],
        outputs: Sequence[str],
        *,
        optimised: bool = True,
    ) -> None:
        self.where, self.inputs, self.outputs = where, tuple(inputs), list(outputs)
        runtime = onnxruntime_library()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # Threads that wait for work shouldn't take a core from whoever has some.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        level = runtime.GraphOptimizationLevel
        options.graph_optimization_level = (
            level.ORT_ENABLE_ALL if optimised else level.ORT_DISABLE_ALL
        )
        serialized = with_outputs(model, self.outputs).SerializeToString()
        try:
            self.session = runtime.InferenceSession(
                serialized, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has a kind of its own for each cause
            raise ModelFileError(
                f"onnxruntime can't load {where}",
                where=where,
                got=_first_line(error),
                next_step="export it again, for a version of onnx that onnxruntime knows",
            ) from error

    def run(self, rows: pl.DataFrame) -> list[Any]:
        """The values of the outputs for these rows. Raises DataError if the model refuses them."""
        feed = {each.name: each.feed(rows) for each in self.inputs}
        return self.run_feed(feed)

    def run_feed(self, feed: Mapping[str, np.ndarray]) -> list[Any]:
        """The values of the outputs for inputs in the form that the model reads."""
        try:
            found: list[Any] = self.session.run(self.outputs, dict(feed))
        except Exception as error:  # onnxruntime has a kind of its own for each cause
            raise DataError(
                "the model refuses these rows",
                where=self.where,
                got=_first_line(error),
                expected="values like those that it was trained on",
                next_step="check what its inputs are matched with under `columns`; encoders must "
                "be fitted to ignore unseen categories",
            ) from error
        return found

    def stream(self, batches: Iterable[pl.DataFrame]) -> Iterator[list[Any]]:
        """The values of the outputs, batch by batch."""
        for rows in batches:
            if len(rows):
                yield self.run(rows)


def with_outputs(model: Any, outputs: Sequence[str]) -> Any:
    """A copy of ``model`` that gives these tensors, whose types onnxruntime finds out."""
    onnx = onnx_library()
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {each.name: each for each in [*model.graph.output, *model.graph.input]}
    del copy.graph.output[:]
    for name in outputs:
        info = known.get(name) or onnx.helper.make_empty_tensor_value_info(name)
        copy.graph.output.append(info)
    return copy


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
