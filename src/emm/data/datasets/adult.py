"""Adult: people in the US Current Population Survey of 1994.

Three tasks: whether a person earns more than 50,000 dollars, has never been married, and works more
than 40 hours a week. No column behind a label is a feature, nor is the relationship to the head of
the household, because a husband or wife is married. ``fnlwgt`` is the number of people that a row
represents. ``?`` is a missing value.
"""

from collections.abc import Iterator

import polars as pl

from emm.data.datasets.dataset import Dataset, Task
from emm.data.datasets.same_lines import same_lines
from emm.data.datasets.source import RawFile, Source
from emm.data.reading.chunks import Chunk, Reading
from emm.data.reading.delimited import read_delimited

SOURCE = Source(
    title="Adult",
    homepage="https://archive.ics.uci.edu/dataset/2/adult",
    doi="10.24432/C5XW20",
    licence="CC BY 4.0",
    citation=(
        "Becker, B. & Kohavi, R. (1996). Adult [Dataset]. UCI Machine Learning Repository. "
        "https://doi.org/10.24432/C5XW20"
    ),
    files=(
        RawFile(
            name="adult.data",
            sha256="5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
            proof=same_lines("df25a4e32ed6f1bd4b3910d21a7bd661a09061eced7cb45555a519d9667cc87b"),
        ),
        RawFile(
            name="adult.test",
            sha256="a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
            proof=same_lines("5c8e678e04c82a07182bbcb6667c9a06faaba123a55b409af7c5d21fb45784b3"),
        ),
    ),
    urls=("https://archive.ics.uci.edu/static/public/2/adult.zip",),
    package=None,
    max_bytes=64 * 2**20,
    by_hand="the Download button",
)

COLUMNS = (
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education_num",
    "marital_status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital_gain",
    "capital_loss",
    "hours_per_week",
    "native_country",
    "income",
)
_DENSE = ("age", "education_num", "capital_gain", "capital_loss")
_SPARSE = ("workclass", "education", "occupation", "race", "sex", "native_country")
_INCOMES = {
    "<=50K": 0,
    ">50K": 1,
    "<=50K.": 0,
    ">50K.": 1,
}  # those of adult.test end in a full stop
_MARITAL_STATUSES = (
    "Never-married",
    "Married-civ-spouse",
    "Married-AF-spouse",
    "Married-spouse-absent",
    "Separated",
    "Divorced",
    "Widowed",
)
_FULL_WEEK = 40
_MISSING = "?"


def _read(reading: Reading, part: str) -> Iterator[Chunk]:
    name = {"train": "adult.data", "test": "adult.test"}[part]
    for file, rows in read_delimited(reading.raw / name, COLUMNS, ",", reading.rejected):
        present = pl.when(pl.col(_SPARSE) != _MISSING).then(pl.col(_SPARSE))
        yield Chunk(file, rows.with_columns(present))


DATASET = Dataset(
    name="adult",
    source=SOURCE,
    dense=_DENSE,
    sparse=_SPARSE,
    tasks={
        "income": Task(
            pl.col("income").replace_strict(_INCOMES, default=None, return_dtype=pl.UInt8),
            made_from=("income",),
        ),
        "never-married": Task(
            pl.when(pl.col("marital_status").is_in(_MARITAL_STATUSES)).then(
                pl.col("marital_status") == "Never-married"
            ),
            made_from=("marital_status", "relationship"),
        ),
        "long-hours": Task(
            pl.col("hours_per_week").cast(pl.Int64, strict=False) > _FULL_WEEK,
            made_from=("hours_per_week",),
        ),
    },
    read=_read,
    weight="fnlwgt",
    fields=COLUMNS,
)
