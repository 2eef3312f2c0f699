"""AliExpress: results of searches in five countries, with clicks and purchases.

Each country is a dataset of its own. Its two files train.csv and test.csv hold the columns
search_id, categorical_1 to 16, numerical_1 to 63, click and conversion under a header: the user,
query and item files of the publisher joined on the search, as research on multi-task models uses
them. Test lies after train in time; validation is a tenth of train's searches.
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
        "item files on the search to train.csv and test.csv; or take these two, already joined, "
        f"from the folder AliExpress_{country.upper()} that "
        "https://github.com/easezyc/Multitask-Recommendation-Library links to",
    )


def _dataset(country: str) -> Dataset:
    """The dataset of one country."""
    return Dataset(
        name=f"aliexpress-{country}",
        source=_source(country),
        dense=_DENSE,
        sparse=_SPARSE,
        tasks={task: Task(pl.col(task), made_from=(task,)) for task in _TASKS},
        read=_read,
        # The numbers of searches say nothing across files, so they are no key of the dataset.
        split=HeldOut(validation=0.1, key=_SEARCH),
    )


US, NL, ES, FR, RU = map(_dataset, _COUNTRIES)
