"""CTR, CTCVR and CVR against their definitions."""

import pytest
import torch
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.funnels import LARGEST_CVR, conversion_logits, funnel_metrics
from emm.nn.funnel import logit_of_product


def score(logits: Tensor, labels: Tensor, rows: Tensor) -> dict[str, list[float]]:
    """Records its arguments instead of a metric."""
    means = [float(one.double().mean()) for one in logits]
    return {"logits": means, "positives": [float(labels.sum())], "rows": rows.tolist()}


def test_the_cvr_of_a_product_is_its_factor() -> None:
    logits = torch.linspace(-12, 12, 25).double()
    ctr, cvr = logits.repeat(25), logits.repeat_interleave(25)
    found = conversion_logits(ctr, logit_of_product(ctr, cvr))
    torch.testing.assert_close(found, cvr, rtol=1e-6, atol=1e-6)


def test_the_cvr_of_float32_logits_is_precise() -> None:
    ctr, cvr = torch.linspace(-8, 8, 65), torch.linspace(8, -8, 65)
    found = conversion_logits(ctr, logit_of_product(ctr, cvr))
    assert (found.sigmoid() - cvr.double().sigmoid()).abs().max() < 1e-5


def test_a_ratio_above_one_is_clipped() -> None:
    found = conversion_logits(torch.tensor([-3.0, -300.0]), torch.tensor([2.0, -300.0]))
    assert found.sigmoid().tolist() == pytest.approx([LARGEST_CVR, LARGEST_CVR], abs=1e-12)
    assert found.isfinite().all()


def test_each_metric_is_computed_over_its_rows() -> None:
    labels = torch.tensor([[1, 0], [1, 1], [0, 0], [1, 0], [0, 0]], dtype=torch.uint8)
    click, conversion = torch.zeros(2, 5), torch.full((2, 5), -3.0)
    found = funnel_metrics(click, conversion, labels, score)
    assert list(found) == ["ctr", "ctcvr", "cvr"]
    assert found["ctr"] == {"logits": [0, 0], "positives": [3], "rows": [0, 1, 2, 3, 4]}
    assert found["ctcvr"] == {"logits": [-3, -3], "positives": [1], "rows": [0, 1, 2, 3, 4]}
    assert found["cvr"]["rows"] == [0, 1, 3]
    assert found["cvr"]["positives"] == [1]
    share = torch.tensor(-3.0).double().sigmoid() / 0.5
    assert found["cvr"]["logits"] == pytest.approx([share.logit().item()] * 2, rel=1e-9)


def test_a_conversion_without_a_click_does_not_count() -> None:
    labels = torch.tensor([[1, 1], [0, 1]], dtype=torch.uint8)
    found = funnel_metrics(torch.zeros(1, 2), torch.zeros(1, 2), labels, score)
    assert found["ctcvr"]["positives"] == [1]


def test_without_clicks_the_cvr_is_undefined() -> None:
    with pytest.raises(DataError, match="no row was clicked"):
        funnel_metrics(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(2, 2), score)
