"""A line-by-line parser of Ali-CCP in plain Python, for the benchmark and as the tests' oracle.

    python -m benchmarks.line_parser RAW OUT

The straightforward way to read the format: a dict of users, a first pass that joins the rows and
counts values, and a second pass that encodes the joined rows.
"""

import argparse
import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

BAGS = ("109_14", "110_14", "127_14", "150_14")
COMBINED = ("508", "509", "702", "853")
USER = ("101", "121", "122", "124", "125", "126", "127", "128", "129", *BAGS)
ITEM = ("205", "206", "207", "210", "216", *COMBINED, "301")
SPARSE = (*USER, *ITEM)
DENSE = (*BAGS, *COMBINED)

Fields = dict[str, tuple[str, float]]
Row = list[str]


def preprocess(raw: Path, out: Path, rare_below: int = 10) -> None:
    """Write train.csv and test.csv with encoded ids and min-max-scaled values."""
    counts: list[Counter[str]] = [Counter() for _ in SPARSE]
    ranges = [[float("inf"), float("-inf")] for _ in DENSE]
    first, last = 2, 2 + len(SPARSE)
    for part in ("train", "test"):
        with (out / f"joined_{part}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            for row in joined(raw, part):
                writer.writerow(row)
                if part == "train":
                    for column, value in zip(counts, row[first:last], strict=True):
                        column[value] += 1
                    for limits, text in zip(ranges, row[last:], strict=True):
                        number = float(text)
                        limits[0] = min(limits[0], number)
                        limits[1] = max(limits[1], number)
    vocabularies = [vocabulary(column, rare_below) for column in counts]
    for part in ("train", "test"):
        with (
            (out / f"joined_{part}.csv").open(newline="") as source,
            (out / f"{part}.csv").open("w", newline="") as file,
        ):
            writer = csv.writer(file)
            for row in csv.reader(source):
                ids = [v.get(x, 0) for v, x in zip(vocabularies, row[first:last], strict=True)]
                values = [
                    (float(x) - low) / ((high - low) or 1.0)
                    for (low, high), x in zip(ranges, row[last:], strict=True)
                ]
                writer.writerow([*row[:first], *ids, *values])


def vocabulary(counts: Counter[str], rare_below: int) -> dict[str, int]:
    """Ids from 1 by falling frequency; missing and rare values have none."""
    frequent = [(-rows, value) for value, rows in counts.items() if value and rows >= rare_below]
    return {value: number for number, (_, value) in enumerate(sorted(frequent), start=1)}


def joined(raw: Path, part: str) -> Iterator[Row]:
    """Rows of a part: click, purchase, ids in the order of SPARSE, values in that of DENSE."""
    users = {}
    with (raw / f"common_features_{part}.csv").open() as file:
        for line in file:
            key, _, items = line.rstrip("\n").split(",")
            users[key] = parsed(items)
    with (raw / f"sample_skeleton_{part}.csv").open() as file:
        for line in file:
            _, click, purchase, key, _, items = line.rstrip("\n").split(",")
            if purchase == "1" and click == "0":
                continue
            fields = {**users[key], **parsed(items)}
            ids = [fields[name][0] if name in fields else "" for name in SPARSE]
            values = [str(fields[name][1]) if name in fields else "0.0" for name in DENSE]
            yield [click, purchase, *ids, *values]


def parsed(items: str) -> Fields:
    """Feature id and value of each field: the first with the largest value if there are several."""
    fields: Fields = {}
    for item in items.split("\x01"):
        field, rest = item.split("\x02")
        feature, text = rest.split("\x03")
        value = float(text)
        if field not in fields or value > fields[field][1]:
            fields[field] = (feature, value)
    return fields


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path)
    parser.add_argument("out", type=Path, help="an existing folder")
    options = parser.parse_args()
    preprocess(options.raw, options.out)


if __name__ == "__main__":
    main()
