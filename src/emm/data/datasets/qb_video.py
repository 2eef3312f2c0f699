"""QB-video of Tenrec: videos shown to users of Tencent's QQ Browser, and the users' reactions.

A row is an exposure. It has no time, so the split is random. watching_times, how often a video was
watched, is an outcome and not a feature. ``\\N`` is a missing value.
"""

from collections.abc import Iterator

import polars as pl

from emm.data.datasets.dataset import Dataset, Task
from emm.data.datasets.source import RawFile, Source
from emm.data.datasets.split_rules import Randomly
from emm.data.reading.chunks import Chunk, Reading
from emm.data.reading.delimited import read_delimited

_FILE = "QB-video.csv"
_SPARSE = ("user_id", "item_id", "video_category", "gender", "age")
_TASKS = ("click", "follow", "like", "share")
_MISSING = r"\N"

SOURCE = Source(
    title="Tenrec, QB-video",
    homepage="https://tenrec0.github.io/",
    doi=None,
    licence="CC BY-NC 4.0, for research",
    citation=(
        "Yuan, G., Yuan, F., Li, Y., Kong, B., Li, S., Chen, L., Yang, M., Yu, C., Hu, B., Li, Z., "
        "Xu, Y., & Qie, X. (2022). Tenrec: A Large-scale Multipurpose Benchmark Dataset for "
        "Recommender Systems. NeurIPS 2022 Datasets and Benchmarks."
    ),
    files=(RawFile(_FILE),),
    urls=(),
    package=None,
    max_bytes=64 * 2**30,  # the archive holds all files of Tenrec
    by_hand=f"agree to its terms, get the archive and take {_FILE} from it",
)


def _read(reading: Reading, _part: str) -> Iterator[Chunk]:
    columns = (*_SPARSE, *_TASKS)
    chunks = read_delimited(reading.raw / _FILE, columns, ",", reading.rejected, header=True)
    for file, rows in chunks:
        present = pl.when(pl.col(_SPARSE) != _MISSING).then(pl.col(_SPARSE))
        yield Chunk(file, rows.with_columns(present))


DATASET = Dataset(
    name="qb-video",
    source=SOURCE,
    dense=(),
    sparse=_SPARSE,
    tasks={task: Task(pl.col(task), made_from=(task,)) for task in _TASKS},
    read=_read,
    parts=("all",),
    split=Randomly(validation=0.1, test=0.1),
)
