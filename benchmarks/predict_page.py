"""The tables of predict.py, in Markdown."""

from collections.abc import Mapping
from statistics import median
from typing import Any

from benchmarks.results import markdown


def predict(part: Mapping[str, Any]) -> str:
    """Rates in memory, times of one row, and runs of `emm predict` from files, by model."""
    models = {_name(row): about for row, about in part["models"].items()}
    rates = [
        [name, way, f"{median(rounds):,.0f}"]
        for name, about in models.items()
        for way, rounds in about["rows_per_second"].items()
    ]
    singles = [
        [name, way, *(f"{times[key]:.2f}" for key in ("processor_p50", "clock_p50", "clock_p99"))]
        for name, about in models.items()
        for way, times in about["single_ms"].items()
    ]
    files = [
        [
            name,
            run["with"],
            f"{run['rows']:,}",
            f"{run['rows'] / run['seconds']:,.0f}",
            f"{run['rows'] / run['processor_seconds']:,.0f}",
            f"{run['peak_gib']:.2f}",
        ]
        for name, about in models.items()
        for run in about["files"]
    ]
    texts = [
        "In memory, in batches of 16,384 rows on one thread:",
        markdown(["model", "in batches", "rows by processor second"], rates, texts=2),
        "One row, in milliseconds; medians, and the 99th percentile:",
        markdown(["model", "one row", "processor", "clock", "clock, 99 %"], singles, texts=2),
        "`emm predict` from CSV files of 39 columns and 470 bytes a row, start-up included:",
        markdown(
            ["model", "with", "rows", "rows/s", "by processor second", "peak, GiB"], files, texts=2
        ),
    ]
    return "\n\n".join(texts)


def _name(row: str) -> str:
    """``recipe/model`` of a row ``dataset/recipe/model``; all are of one dataset."""
    return row.partition("/")[2]
