"""Write the tables of benchmarks/README.md and docs/speed.md that come from the files in results/.

    python -m benchmarks.pages

A table is between two comments with its name. It has a part for every machine that has
results of the program; without any it says that nothing has been measured.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.predict_page import predict
from benchmarks.results import RESULTS, between, markdown

PAGE = Path(__file__).resolve().parent / "README.md"
SPEED = PAGE.parents[1] / "docs/speed.md"
NOTHING = "Not measured."
_MODELS = {
    "shared_bottom": "SharedBottom",
    "mmoe": "MMoE",
    "ple": "PLE",
    "aitm": "AITM",
    "esmm": "ESMM",
    "emm": "EMM",
}

Results = Mapping[str, Mapping[str, Any]]
"""By the name of a file in results/, its content."""


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(page(text, read_results()), encoding="utf-8")
    text = SPEED.read_text(encoding="utf-8")
    SPEED.write_text(between(text, "speed", speed(read_results())), encoding="utf-8")
    sys.stderr.write(f"{PAGE.name} has the results of {', '.join(sorted(read_results()))}\n")


def read_results(folder: Path = RESULTS) -> Results:
    files = sorted(folder.glob("*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def page(text: str, results: Results) -> str:
    """The page with the tables of these results."""
    for name, table in TABLES.items():
        text = between(text, name, f"\n{section(name, table, results)}\n")
    return text


def section(name: str, table: Callable[[Mapping[str, Any]], str], results: Results) -> str:
    """The tables of one program, by machine."""
    found = {
        f"{about['machine']['gpu'] or about['machine']['processor']}, "
        f"{about['machine']['cores']} cores": table(about[name])
        for about in results.values()
        if name in about
    }
    return "\n\n".join(f"{machine}:\n\n{text}" for machine, text in found.items()) or NOTHING


def models(part: Mapping[str, Any]) -> str:
    """Training and prediction in rows/s, ours and the peers', and the ratios to each peer."""
    peers = [name for name in ("torch-rechub", "fuxictr") if _has(part, name)]
    ways = ["emm", "emm, compiled", *peers]
    ratios = [f"{way}, times {peer}" for peer in peers for way in ways[:2]]
    rows = []
    for model, by_library in part["models"].items():
        rates = {name: each["rows_per_second"] for name, each in by_library.items()}
        for phase in rates["emm"]:
            own = {name: rates.get(name, {}).get(phase) for name in ways}
            medians = ["" if each is None else f"{median(each):,.0f}" for each in own.values()]
            shares = [_ratio(own[way], own[peer]) for peer in peers for way in ways[:2]]
            rows.append([_MODELS[model], phase, *medians, *shares])
    return markdown(["model", "rows/s", *ways, *ratios], rows, texts=2)


def speed(results: Results) -> str:
    """How many times as fast as torch-rechub, over all machines, models and batches."""
    rows = []
    for title, way, phase in (
        ("compiled training", "emm, compiled", "training"),
        ("plain training", "emm", "training"),
        ("prediction", "emm", "prediction"),
    ):
        found = [
            float(_ratio(rounds, by_library["torch-rechub"]["rows_per_second"][name]))
            for about in results.values()
            for by_library in about.get("models", {}).get("models", {}).values()
            for name, rounds in by_library[way]["rows_per_second"].items()
            if name.startswith(phase)
        ]
        rows.append([title, f"{min(found):.0f} to {max(found):.0f}"])
    return markdown(["", "times as fast"], rows)


def _has(part: Mapping[str, Any], library: str) -> bool:
    return any(library in by_library for by_library in part["models"].values())


def _ratio(ours: Sequence[float] | None, theirs: Sequence[float] | None) -> str:
    """Median over the rounds of the ratio within a round."""
    if ours is None or theirs is None:
        return ""
    return f"{median(a / b for a, b in zip(ours, theirs, strict=True)):.1f}"


def census(part: Mapping[str, Any]) -> str:
    """Medians of both programs, and what one takes of the other."""
    medians = {name: median(seconds) for name, seconds in part["seconds"].items()}
    slowest = max(medians.values())
    rows = [[name, f"{each:.2f}", f"{slowest / each:.1f}"] for name, each in medians.items()]
    return markdown(["program", "s", "times as fast"], rows)


def start_up(part: Mapping[str, Any]) -> str:
    """Processor time of each command, and that of another checkout if there was one."""
    rows = []
    for name, checkouts in part["commands"].items():
        used = [[cpu for cpu, _ in rounds] for rounds in checkouts]
        clock = median(seconds for _, seconds in checkouts[0])
        ratio = _ratio(used[1], used[0]) if len(used) > 1 else ""
        before = f"{median(used[1]):.2f}" if len(used) > 1 else ""
        rows.append([name, f"{median(used[0]):.2f}", f"{clock:.2f}", before, ratio])
    return markdown(["command", "processor s", "s", "before: processor s", "ratio"], rows)


def scale(part: Mapping[str, Any]) -> str:
    """Speed, cost per row and peak memory of one epoch by rows and processes."""
    runs = part["runs"]
    cost = [1e6 * run["processor_seconds"] / run["rows"] for run in runs]
    first: dict[tuple[str, int], float] = {}
    for run, own in zip(runs, cost, strict=True):
        first.setdefault((run["model"], run["processes"]), own)
    rows = [
        [
            _MODELS[run["model"]],
            str(run["processes"]),
            f"{run['rows']:,}",
            f"{run['rows'] / run['seconds']:,.0f}",
            f"{own:.1f}",
            f"{own / first[run['model'], run['processes']]:.2f}",
            f"{run['peak_gib']:.2f}",
        ]
        for run, own in zip(runs, cost, strict=True)
    ]
    head = ["model", "processes", "rows", "rows/s", "µs a row", "of that with fewest rows"]
    return markdown([*head, "peak of one process, GiB"], rows)


def cuda(part: Mapping[str, Any]) -> str:
    """Models on a GPU, the limits they are compared with, tests, and seeds in one pass."""
    runs = part["runs"]
    rows = [_cuda_row(name, run, runs) for name, run in runs.items() if name.split()[0] in _MODELS]
    head = ["model", "rows/s, training", "prediction", "times torch-rechub"]
    table = markdown([*head, "of the product's rate", "of the copy's rate", "peak, GiB"], rows)
    return "\n\n".join([*_cuda_sentences(runs), table])


def _cuda_row(name: str, run: Mapping[str, Any], runs: Mapping[str, Any]) -> list[str]:
    model, way = name.split(" ", 1)
    title = f"{_MODELS[model]}, {way}"
    if "error" in run:
        return [title, run["error"], *[""] * 5]
    rate, limits = run["training"], runs["limits"]
    peer = runs.get(f"{model} torch-rechub", {}).get("training")
    if "flops_per_row" not in run:  # torch-rechub itself
        return [title, f"{rate:,.0f}", *[""] * 5]
    flops = limits[f"{way.split()[1]}_flops"]
    return [
        title,
        f"{rate:,.0f}",
        f"{run['prediction']:,.0f}",
        f"{rate / peer:.0f}" if peer else "",
        f"{rate * run['flops_per_row'] / flops:.1%}",
        f"{rate * run['bytes_per_row'] / limits['copy_bytes']:.0%}",
        f"{run['peak_gib']:.1f}",
    ]


def _cuda_sentences(runs: Mapping[str, Any]) -> Iterator[str]:
    limits = runs["limits"]
    products = ", ".join(
        f"{limits[f'{kind}_flops'] / 1e12:,.0f} TFLOP/s in {kind}"
        for kind in ("float32", "tf32", "bfloat16")
    )
    copied = limits["copy_bytes"] / 1e9
    yield f"Limits: a product of matrices, {products}; a copy, {copied:,.0f} GB/s."
    tests = runs.get("tests", {})
    if tests:
        yield "Tests: " + ", ".join(f"{count} {what}" for what, count in tests.items()) + "."
    seconds = {name: each for name, each in runs.get("seeds", {}).items() if name != "error"}
    if seconds:
        (_, one), (name, several) = seconds.items()
        count = name.split("_")[0]
        yield (
            f"An epoch of MMoE takes {one:.2f} s for one seed and {several:.2f} s for {count} in "
            f"one pass, {several / one:.2f} times as long."
        )


TABLES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "predict": predict,
    "models": models,
    "census": census,
    "start-up": start_up,
    "scale": scale,
    "cuda": cuda,
}

if __name__ == "__main__":
    main()
