"""An exported model on a Ray cluster: this process reads and encodes, workers compute logits.

Every worker has the model's files and predicts the same units of rows as one process would, so that
the result has the same bytes.
"""

import io
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import polars as pl

from emm.core.errors import ParamsError
from emm.core.ray_cluster import connect
from emm.export.predicting import BundleModel, open_bundle
from emm.export.signature import MODEL
from emm.predict.model import Logits
from emm.predict.units import Part

WAITING = 2
"""Units that wait or run at each worker."""

Frame = bytes
"""A Polars frame in the Arrow IPC format."""


class RayEngine:
    """Workers on the cluster of RAY_ADDRESS, one for each of its processors.

    ``folder``: of the exported model. Raises ParamsError if it isn't one, Ray isn't installed or
    there is no cluster.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / MODEL).exists():
            raise ParamsError(
                "only exported models can be predicted on a Ray cluster",
                where=folder,
                next_step="emm export the model, and name its folder",
            )
        self._ray = connect(ParamsError)
        files = self._ray.put(_packed(folder))
        workers = max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        worker = self._ray.remote(_Worker).options(num_cpus=1, scheduling_strategy="SPREAD")
        self._workers = [worker.remote(files) for _ in range(workers)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ray.shutdown()

    def predicted(self, parts: Iterable[Part]) -> Iterator[tuple[Part, Logits]]:
        """See `emm.predict.engine.Engine`."""
        running = deque[tuple[Part, Any]]()
        for number, part in enumerate(parts):
            worker = self._workers[number % len(self._workers)]
            running.append((part, worker.logits.remote(_sent(part.features), _sent(part.raw))))
            if len(running) >= WAITING * len(self._workers):
                yield self._first(running)
        while running:
            yield self._first(running)

    def _first(self, running: deque[tuple[Part, Any]]) -> tuple[Part, Logits]:
        part, result = running.popleft()
        return part, self._ray.get(result)


class _Worker:
    """The model in a process of the cluster."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._folder = TemporaryDirectory()
        self._model: BundleModel = open_bundle(_unpacked(files, Path(self._folder.name)))

    def logits(self, features: Frame, raw: Frame) -> Logits:
        """The logits [N, O] of rows."""
        return self._model.logits(_received(features), _received(raw))


def _packed(folder: Path) -> dict[str, bytes]:
    """The content of every file of an exported folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _unpacked(files: Mapping[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def _sent(rows: pl.DataFrame) -> Frame:
    buffer = io.BytesIO()
    rows.write_ipc(buffer)
    return buffer.getvalue()


def _received(frame: Frame) -> pl.DataFrame:
    return pl.read_ipc(io.BytesIO(frame))
