"""A network that reads some columns is cut, fused and rebuilt as all others."""

from pathlib import Path

import pytest
import torch

from emm.training.store import load_model
from tests.fusion.conftest import SCHEMA, STRUCTURES, make_pool
from tests.fusion.fused import build, rows

HIDDEN = (0, 4)  # the first dense feature, and the second field


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks `narrow` that don't read two columns."""
    monkeypatch.setitem(STRUCTURES, "narrow", STRUCTURES["narrow"] | {"hidden": [*HIDDEN]})


@pytest.mark.usefixtures("narrow")
def test_the_average_is_that_of_the_networks_as_they_were_trained(tmp_path: Path) -> None:
    model = build(make_pool(tmp_path, 2), "ensemble").eval()
    dense, sparse = rows(30)
    for task in (0, 1):
        members = [
            load_model(tmp_path / name / f"seed-0/t{task}", SCHEMA)[0](dense, sparse)
            for name in ("narrow", "wide")
        ]
        expected = torch.stack(members).mean(0)[:, 0]
        torch.testing.assert_close(model(dense, sparse)[:, task], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("narrow")
def test_a_pool_of_such_networks_reads_no_hidden_column(tmp_path: Path) -> None:
    model = build(make_pool(tmp_path, 2, ("narrow",)), "ensemble").eval()
    dense, sparse = rows(30)
    other_dense, other_sparse = dense.clone(), sparse.clone()
    other_dense[:, 0], other_sparse[:, 1] = 5.0, 1 - sparse[:, 1]
    expected = model(dense, sparse)
    torch.testing.assert_close(model(other_dense, other_sparse), expected, rtol=0, atol=0)
    assert not torch.equal(model(dense + 0.1, sparse), expected)
