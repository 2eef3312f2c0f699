"""The tables in benchmarks/README.md are those of the committed result files."""

from typing import Any

from benchmarks.pages import (
    NOTHING,
    PAGE,
    SPEED,
    TABLES,
    page,
    read_results,
    section,
    speed,
)
from benchmarks.results import between

MACHINE = {"processor": "Some CPU", "cores": 2, "gpu": None}
CUDA: dict[str, Any] = {
    "runs": {
        "limits": {
            "copy_bytes": 4e12,
            "float32_flops": 5e13,
            "tf32_flops": 4e14,
            "bfloat16_flops": 8e14,
        },
        "mmoe plain float32": {
            "training": 2e6,
            "prediction": 8e6,
            "flops_per_row": 5e5,
            "bytes_per_row": 1e5,
            "peak_gib": 3.0,
        },
        "mmoe compiled bfloat16": {"error": "stopped after 120 s"},
        "mmoe torch-rechub": {"training": 4e4},
        "tests": {"passed": 12, "failed": 1},
        "seeds": {"1_seconds": 2.0, "5_seconds": 3.0},
    }
}


def tables(name: str, part: dict[str, Any]) -> str:
    return section(name, TABLES[name], {"some-cpu": {"machine": MACHINE, name: part}})


def test_the_tables_of_prediction() -> None:
    times = {"processor_p50": 0.2, "clock_p50": 0.21, "clock_p99": 0.5}
    run = {"with": "torch", "rows": 100, "seconds": 2.0, "processor_seconds": 4, "peak_gib": 0.5}
    row = {
        "rows_per_second": {"encoder": [9.0, 30.0, 20.0]},
        "single_ms": {"encoded": times},
        "files": [run],
    }
    text = tables("predict", {"models": {"census-income/tuned/emm": row}})
    assert "| tuned/emm | encoder | 20 |" in text
    assert "| tuned/emm | encoded | 0.20 | 0.21 | 0.50 |" in text
    assert "| tuned/emm | torch | 100 | 50 | 25 | 0.50 |" in text


def test_the_page_of_speed_has_the_range_of_all_ratios() -> None:
    text = SPEED.read_text(encoding="utf-8")
    assert between(text, "speed", speed(read_results())) == text
    rates = {
        "emm": {"training": [20.0, 24.0, 30.0], "prediction by 9": [7.0, 7.0, 7.0]},
        "emm, compiled": {"training": [30.0, 30.0, 30.0]},
        "torch-rechub": {"training": [10.0, 8.0, 10.0], "prediction by 9": [1.0, 1.0, 1.0]},
    }
    models = {"mmoe": {name: {"rows_per_second": own} for name, own in rates.items()}}
    lines = speed({"here": {"models": {"models": models}}}).splitlines()
    assert lines[2:] == [
        "| compiled training | 3 to 3 |",
        "| plain training | 3 to 3 |",
        "| prediction | 7 to 7 |",
    ]


def test_the_page_has_the_tables_of_the_result_files() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text, read_results()) == text
    assert (
        page(text.replace("| MMoE | training | 1", "| MMoE | training | 9"), read_results()) == text
    )


def test_what_was_never_measured_has_no_numbers() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text, {}).count(NOTHING) == len(TABLES)


def test_the_table_of_a_gpu() -> None:
    lines = tables("cuda", CUDA).splitlines()
    assert lines[0] == "Some CPU, 2 cores:"
    assert "50 TFLOP/s in float32, 400 TFLOP/s in tf32, 800 TFLOP/s in bfloat16" in lines[2]
    assert "Tests: 12 passed, 1 failed." in lines
    assert any("3.00 s for 5 in one pass, 1.50 times as long" in line for line in lines)
    assert lines[-3:] == [
        "| MMoE, plain float32 | 2,000,000 | 8,000,000 | 50 | 2.0% | 5% | 3.0 |",
        "| MMoE, compiled bfloat16 | stopped after 120 s |  |  |  |  |  |",
        "| MMoE, torch-rechub | 40,000 |  |  |  |  |  |",
    ]


def test_costs_are_compared_with_those_of_the_fewest_rows() -> None:
    runs = [
        {
            "model": "emm",
            "rows": rows,
            "processes": 1,
            "seconds": seconds,
            "processor_seconds": seconds,
            "peak_gib": 1.0,
        }
        for rows, seconds in ((1_000_000, 10.0), (4_000_000, 44.0))
    ]
    lines = tables("scale", {"runs": runs}).splitlines()
    assert lines[-2:] == [
        "| EMM | 1 | 1,000,000 | 100,000 | 10.0 | 1.00 | 1.00 |",
        "| EMM | 1 | 4,000,000 | 90,909 | 11.0 | 1.10 | 1.00 |",
    ]


def test_models_are_compared_with_each_peer_round_by_round() -> None:
    rates = {
        "emm": [10, 20, 30],
        "emm, compiled": [20, 20, 20],
        "torch-rechub": [1, 4, 3],
        "fuxictr": [2, 2, 2],
    }
    found = {name: {"rows_per_second": {"training": each}} for name, each in rates.items()}
    last = tables("models", {"models": {"mmoe": found}}).splitlines()[-1]
    assert last == "| MMoE | training | 20 | 20 | 3 | 2 | 10.0 | 6.7 | 10.0 | 10.0 |"


def test_start_up_is_compared_round_by_round() -> None:
    ours, other = [[1.0, 2.0], [2.0, 4.0], [4.0, 3.0]], [[3.0, 9.0], [4.0, 9.0], [4.0, 9.0]]
    last = tables("start-up", {"commands": {"emm check": [ours, other]}}).splitlines()[-1]
    assert last == "| emm check | 2.00 | 3.00 | 4.00 | 2.0 |"


def test_start_up_of_one_checkout_has_no_ratio() -> None:
    last = tables("start-up", {"commands": {"emm check": [[[0.5, 1.0]]]}}).splitlines()[-1]
    assert last == "| emm check | 0.50 | 1.00 |  |  |"
