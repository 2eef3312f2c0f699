"""Open splits in memory, or as streams if they don't fit."""

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from emm.core.progress import say
from emm.data.tables.loading import Columns, SplitFile, columns_of, load_fold_groups
from emm.data.tables.rows import Rows
from emm.data.tables.schema import Schema
from emm.data.tables.stream import Stream

GIB = 2**30
TRAIN = "train"
SHARE = 2 / 3  # of the free memory; the rest is for models, gradients and copies of rows
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
    """Open the named splits, each in memory if it fits and as a stream otherwise.

    Train has the groups of its rows that share a fold.

    Args:
        weighted: names of the splits that need the dataset's row weights.
        memory_gib: memory for all of the splits together; None: two thirds of the free memory.

    Raises DataError if a file lacks columns or can't be read, or if there are no weights.
    """
    files = {
        name: SplitFile(
            processed / f"{name}.parquet", columns_of(schema, weighted=name in weighted)
        )
        for name in names
    }
    groups = {
        name: load_fold_groups(processed, files[name].rows) for name in names if name == TRAIN
    }
    sizes = {name: file.rows * file.columns.row_bytes for name, file in files.items()}
    sizes |= {name: sizes[name] + own.nbytes for name, own in groups.items()}
    budget = int(SHARE * free_bytes(device)) if memory_gib is None else int(memory_gib * GIB)
    allowances = allocate(sizes, budget)
    for name, size in sizes.items():
        if allowances[name] is not None:
            say(
                f"{name} is streamed: its {size / GIB:.2f} GiB don't fit into the"
                f" {budget / GIB:.2f} GiB for processed data"
            )
    return {
        name: _open(file, allowances[name], device, groups.get(name))
        for name, file in files.items()
    }


def allocate(sizes: Mapping[str, int], budget: int) -> dict[str, int | None]:
    """Bytes of ``budget`` for each split's stream; None for a split held in memory.

    If the splits don't all fit, each one, from the smallest on, is held if it takes at most half
    of the remaining budget. The others share what is left.
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
    """Free memory of ``device``; for CUDA at most that of the host, which the rows pass through."""
    free = _free_on_host()
    if device.type == "cuda":
        free = min(free, torch.cuda.mem_get_info(device)[0])
    return free


def open_stream(file: SplitFile, memory: int, device: torch.device) -> Stream:
    """Open a split as a stream with ``memory`` bytes for its windows."""
    columns = file.columns
    held = SplitFile(file.path, replace(columns, dense=(), sparse=())).load().to(device)
    features = SplitFile(file.path, Columns(columns.dense, columns.sparse))
    return Stream(
        features,
        held.labels,
        memory,
        held.kinds,
        held.outputs,
        held.partly_labelled,
        weights=held.weights,
    )


def _open(file: SplitFile, memory: int | None, device: torch.device, groups: Tensor | None) -> Rows:
    if groups is not None:
        groups = groups.to(device)
    if memory is None:
        return replace(file.load().to(device), groups=groups)
    return replace(open_stream(file, memory, device), groups=groups)


def _free_on_host() -> int:
    limits = []
    try:
        words = dict(line.split(":") for line in MEMINFO.read_text().splitlines())
        limits.append(1024 * int(words["MemAvailable"].split()[0]))
    except (OSError, ValueError, KeyError):
        limits.append(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError, ValueError):  # no container, or one without a limit
        limits.append(int(CONTAINER.read_text()))
    return min(limits)
