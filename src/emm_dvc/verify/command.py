"""`emm verify`: check everything in dvc.lock, in the workspace, the cache and a remote."""

from collections.abc import Callable, Sequence
from pathlib import Path

from emm.core.progress import progress
from emm_dvc.verify.outs import Out, read_outs
from emm_dvc.verify.stores import Remote, Store, cache_of
from emm_dvc.verify.verify import (
    Findings,
    objects_of,
    repair_cache,
    repair_remote,
    sampled,
    verify_store,
    verify_workspace,
)

SHOWN = 10  # missing files in the report


def verify(root: Path, remote: str | None, sample: int | None, model: str = "") -> tuple[bool, str]:
    """Read the files and compare their hashes with dvc.lock, or train ``model`` again.

    ``sample``: the number of objects of the remote to read, None for all that dvc.lock names.
    ``model``: DATASET/MODEL or DATASET/RECIPE/MODEL; see `emm_dvc.verify.rerun`.

    Returns: whether nothing is damaged, and a report as text. Raises VerifyError if a lock, the
    cache or the remote can't be used.
    """
    if model:
        from emm_dvc.verify.rerun import rerun_row  # which imports torch

        return rerun_row(root, model)
    outs = read_outs(root)
    cache = cache_of(root)
    stores: list[Store] = [cache, *([Remote(root, remote)] if remote else [])]
    objects = objects_of(outs, stores)
    with progress("verifying", None) as report:
        read = _counter(report)
        workspace = verify_workspace(root, outs, cache, read)
        damaged = {each.out for each in workspace.damaged}
        absent = {Path(path) for _, path in workspace.missing}
        repair = repair_cache(lambda out: out not in damaged and out.path not in absent)
        parts = [workspace, verify_store(cache, objects, repair, read)]
        if remote:
            chosen = sampled(objects, sample)
            parts.append(verify_store(stores[1], chosen, repair_remote(remote), read))
    return not any(part.damaged for part in parts), _text(stores, parts, len(objects), outs)


def _counter(report: Callable[[float], None]) -> Callable[[int], None]:
    total = 0

    def read(count: int) -> None:
        nonlocal total
        total += count
        report(total)

    return read


def _text(
    stores: Sequence[Store], parts: Sequence[Findings], objects: int, outs: Sequence[Out]
) -> str:
    damaged = [each for part in parts for each in part.damaged]
    missing = [each for part in parts for each in part.missing]
    lines = []
    for each in damaged:
        lines += [
            f"damaged in the {each.place}: {each.where}",
            f"  stage: {each.out.stage}, out: {each.out.path}",
            f"  got: md5 {each.got}, expected: {each.expected}",
            f"  repair: {each.repair}",
        ]
    lines += [f"missing in the {place}: {path}" for place, path in missing[:SHOWN]]
    if len(missing) > SHOWN:
        lines.append(f"... and {len(missing) - SHOWN} more")
    names = ["workspace", *(store.place for store in stores)]
    read = ", ".join(f"{name} {part.files}" for name, part in zip(names, parts, strict=True))
    lines.append(
        f"{len({out.stage for out in outs})} stages, {objects} objects; files read: {read}; "
        f"damaged: {len(damaged)}; missing (dvc pull brings them): {len(missing)}"
    )
    return "\n".join(lines)
