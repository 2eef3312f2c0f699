"""AliExpress: search results in five countries, with clicks and purchases.

Each country is a separate dataset. Its files train.csv and test.csv have a header and the columns
search_id, categorical_1 to 16, numerical_1 to 63, click and conversion. They are the publisher's
user, query and item files joined on the search, the form used in research on multi-task models.
Test is later than train; validation is a tenth of the searches in train.
"""

from collections.abc import Iterator

import polars as pl

from emm.data.datasets.dataset import Dataset, Task
from emm.data.datasets.source import RawFile, Source
from emm.data.datasets.split_rules import HeldOut
from emm.data.reading.chunks import Chunk, Reading
from emm.data.reading.delimited import read_delimited

_COUNTRIES = {
    "us": "United States",
    "nl": "Netherlands",
    "es": "Spain",
    "fr": "France",
    "ru": "Russia",
}
_SPARSE = tuple(f"categorical_{number}" for number in range(1, 17))
_DENSE = tuple(f"numerical_{number}" for number in range(1, 64))
_TASKS = ("conversion", "click")
_SEARCH = "search_id"


def _read(reading: Reading, part: str) -> Iterator[Chunk]:
    columns = (_SEARCH, *_SPARSE, *_DENSE, *_TASKS)
    return read_delimited(reading.raw / f"{part}.csv", columns, ",", reading.rejected, header=True)


def _source(country: str) -> Source:
    return Source(
        title=f"AliExpress Searching System Dataset, {_COUNTRIES[country]}",
        homepage="https://tianchi.aliyun.com/dataset/74690",
        doi=None,
        licence="terms of Tianchi dataset 74690, for research",
        citation=(
            "Li, P., Li, R., Da, Q., Zeng, A.-X., & Zhang, L. (2020). Improving Multi-Scenario "
            "Learning to Rank in E-commerce by Exploiting Task Relationships in the Label Space. "
            "CIKM 2020, 2605-2612. https://doi.org/10.1145/3340531.3412713"
        ),
        files=(RawFile("train.csv"), RawFile("test.csv")),
        urls=(),
        package=None,
        max_bytes=256 * 2**30,
        by_hand=f"sign in, get aliexpress_{country.upper()}_datasets.zip, and join its user and "
        "item files on the search into train.csv and test.csv; or take the joined files from the "
        f"folder AliExpress_{country.upper()} that "
        "https://github.com/easezyc/Multitask-Recommendation-Library links to",
    )


def _dataset(country: str) -> Dataset:
    return Dataset(
        name=f"aliexpress-{country}",
        source=_source(country),
        dense=_DENSE,
        sparse=_SPARSE,
        tasks={task: Task(pl.col(task), made_from=(task,)) for task in _TASKS},
        read=_read,
        # Search ids of different files are unrelated, so they are not the dataset's key.
        split=HeldOut(validation=0.1, key=_SEARCH),
    )


US, NL, ES, FR, RU = map(_dataset, _COUNTRIES)
