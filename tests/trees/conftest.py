from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """With so few rows on busy cores, threads spend most of the time waiting for each other."""
    with threadpool_limits(1, user_api="openmp"):
        yield
