"""Online shoppers: sessions of a shop's visitors in a year.

A funnel: the visitor sees a page with a value (one that visitors see before they buy), then buys.
The sessions in which a visitor bought without such a page (370 of 12,330) are left out, as a funnel
has none. A session has no time but its month, so the split is random.
"""

from collections.abc import Iterator

import polars as pl

from emm.data.datasets.dataset import Dataset, Task
from emm.data.datasets.same_lines import same_lines
from emm.data.datasets.source import RawFile, Source
from emm.data.datasets.split_rules import Randomly
from emm.data.reading.chunks import Chunk, Reading
from emm.data.reading.delimited import read_delimited

_FILE = "online_shoppers_intention.csv"
_LINES = "ed94c9c95b15c20333f0539e69e06f4139ba9dd42cc8634f624c1595e02601f9"

SOURCE = Source(
    title="Online Shoppers Purchasing Intention",
    homepage="https://archive.ics.uci.edu/dataset/468/online+shoppers+purchasing+intention+dataset",
    doi="10.24432/C5F88Q",
    licence="CC BY 4.0",
    citation=(
        "Sakar, C. & Kastro, Y. (2018). Online Shoppers Purchasing Intention Dataset [Dataset]. "
        "UCI Machine Learning Repository. https://doi.org/10.24432/C5F88Q"
    ),
    files=(RawFile(_FILE, sha256=_LINES, proof=same_lines(_LINES)),),
    urls=(
        "https://archive.ics.uci.edu/static/public/468/"
        "online+shoppers+purchasing+intention+dataset.zip",
    ),
    package=None,
    max_bytes=64 * 2**20,
    by_hand="the Download button",
)

_DENSE = (
    "Administrative",
    "Administrative_Duration",
    "Informational",
    "Informational_Duration",
    "ProductRelated",
    "ProductRelated_Duration",
    "BounceRates",
    "ExitRates",
    "SpecialDay",
)
_SPARSE = (
    "Month",
    "OperatingSystems",
    "Browser",
    "Region",
    "TrafficType",
    "VisitorType",
    "Weekend",
)
_BOUGHT = (
    pl.col("Revenue")
    .str.to_uppercase()
    .replace_strict({"TRUE": 1, "FALSE": 0}, default=None, return_dtype=pl.UInt8)
)
_VALUE = pl.col("PageValues").cast(pl.Float64, strict=False) > 0


def _read(reading: Reading, _part: str) -> Iterator[Chunk]:
    columns = (*_DENSE, *_SPARSE, "PageValues", "Revenue")
    chunks = read_delimited(reading.raw / _FILE, columns, ",", reading.rejected, header=True)
    for file, rows in chunks:
        without_page = (_BOUGHT == 1) & ~_VALUE
        yield Chunk(file, rows.filter(~without_page.fill_null(False)))


DATASET = Dataset(
    name="online-shoppers",
    source=SOURCE,
    dense=_DENSE,
    sparse=_SPARSE,
    tasks={
        "value-page": Task(_VALUE, made_from=("PageValues",)),
        "revenue": Task(_BOUGHT, made_from=("Revenue",)),
    },
    read=_read,
    parts=("all",),
    split=Randomly(validation=0.15, test=0.15),
)
