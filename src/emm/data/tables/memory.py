"""Which splits are held in memory, and which are streamed."""

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch

from emm.core.progress import say
from emm.data.tables.batches import Rows
from emm.data.tables.loading import Columns, Source, columns_of
from emm.data.tables.schema import Schema
from emm.data.tables.stream import Stream

GIB = 2**30
SHARE = 2 / 3  # of the free memory: models, gradients and copies of rows need some, too
MEMINFO = Path("/proc/meminfo")
CONTAINER = Path("/sys/fs/cgroup/memory.max")


def open_splits(
    processed: Path,
    names: Sequence[str],
    schema: Schema,
    device: torch.device,
    *,
    weighted: Collection[str] = (),
    memory_gib: float | None = None,
) -> dict[str, Rows]:
    """The named splits, each in memory if it fits (`allotted`), and streamed otherwise.

    ``weighted``: those with the dataset's own weights of their rows. ``memory_gib``: what all of
    them together may take; None: two thirds of what is free. Raises DataError when a file lacks
    columns or can't be read, and where there are no weights.
    """
    sources = {
        name: Source(processed / f"{name}.parquet", columns_of(schema, weighted=name in weighted))
        for name in names
    }
    sizes = {name: each.rows * each.columns.row_bytes for name, each in sources.items()}
    budget = int(SHARE * free_bytes(device)) if memory_gib is None else int(memory_gib * GIB)
    parts = allotted(sizes, budget)
    for name, size in sizes.items():
        if parts[name] is not None:
            say(
                f"{name} is streamed: its {size / GIB:.2f} GiB don't fit into the"
                f" {budget / GIB:.2f} GiB for processed data"
            )
    return {name: _open(source, parts[name], device) for name, source in sources.items()}


def allotted(sizes: Mapping[str, int], budget: int) -> dict[str, int | None]:
    """The bytes that each split's stream gets out of ``budget``, None for one held in memory.

    If not all fit together, the smaller ones are held that leave at least half of what they find,
    and the others share the rest.
    """
    if sum(sizes.values()) <= budget:
        return dict.fromkeys(sizes)
    streamed = []
    for name in sorted(sizes, key=lambda name: sizes[name]):
        if 2 * sizes[name] <= budget:
            budget -= sizes[name]
        else:
            streamed.append(name)
    return {name: budget // len(streamed) if name in streamed else None for name in sizes}


def free_bytes(device: torch.device) -> int:
    """Memory that is free on ``device``, and for CUDA also here, where rows pass through."""
    free = _free_here()
    if device.type == "cuda":
        free = min(free, torch.cuda.mem_get_info(device)[0])
    return free


def stream_of(source: Source, memory: int, device: torch.device) -> Stream:
    """A split as a stream with ``memory`` bytes for its windows."""
    columns = source.columns
    held = Source(source.path, replace(columns, dense=(), sparse=())).load().to(device)
    features = Source(source.path, Columns(columns.dense, columns.sparse))
    return Stream(features, held.labels, memory, columns.kinds, weights=held.weights)


def _open(source: Source, memory: int | None, device: torch.device) -> Rows:
    if memory is None:
        return source.load().to(device)
    return stream_of(source, memory, device)


def _free_here() -> int:
    limits = []
    try:
        words = dict(line.split(":") for line in MEMINFO.read_text().splitlines())
        limits.append(1024 * int(words["MemAvailable"].split()[0]))
    except (OSError, ValueError, KeyError):
        limits.append(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError, ValueError):  # no container, or one without a limit
        limits.append(int(CONTAINER.read_text()))
    return min(limits)
