"""CTR, CTCVR and CVR against their definitions."""

import pytest
import torch
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.funnels import (
    LARGEST_CVR,
    conversion_logits,
    funnel_metrics,
    is_given_click,
)
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
    with pytest.raises(DataError, match="no row with a known conversion was clicked"):
        funnel_metrics(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(2, 2), score)


MISSING = float("nan")


def test_with_a_conversion_known_after_clicks_only_cvr_is_its_logit_and_ctcvr_the_product() -> None:
    labels = torch.tensor([[1, 0], [1, 1], [0, MISSING], [1, MISSING], [MISSING, MISSING]])
    click, conversion = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    found = funnel_metrics(click, conversion, labels, score, partly_labelled=True)
    assert {name: step["rows"] for name, step in found.items()} == {
        "ctr": [0, 1, 2, 3],
        "ctcvr": [0, 1, 2],
        "cvr": [0, 1],
    }
    assert [step["positives"] for step in found.values()] == [[3], [1], [1]]
    both = (click.double().sigmoid() * conversion.double().sigmoid()).logit()
    assert found["ctr"]["logits"] == pytest.approx(click[:, :4].double().mean(1).tolist())
    assert found["ctcvr"]["logits"] == pytest.approx(both[:, :3].mean(1).tolist())
    assert found["cvr"]["logits"] == pytest.approx(conversion[:, :2].double().mean(1).tolist())


def test_a_conversion_known_without_a_click_is_that_of_both() -> None:
    labels = torch.tensor([[1, 0], [1, 1], [0, 0], [1, MISSING], [0, MISSING]])
    click, conversion = torch.zeros(1, 5), torch.full((1, 5), -3.0)
    found = funnel_metrics(click, conversion, labels, score, partly_labelled=True)
    assert found["ctcvr"] == {"logits": [-3], "positives": [1], "rows": [0, 1, 2, 4]}
    assert found["cvr"]["rows"] == [0, 1]
    share = torch.tensor(-3.0).double().sigmoid() / 0.5
    assert found["cvr"]["logits"] == pytest.approx([share.logit().item()], rel=1e-9)


def test_where_nothing_is_missing_the_funnel_is_that_of_complete_labels() -> None:
    generator = torch.Generator().manual_seed(1)
    click, conversion = torch.randn(2, 2, 50, generator=generator)
    clicked = torch.rand(50, generator=generator) < 0.5
    converted = clicked & (torch.rand(50, generator=generator) < 0.5)
    labels = torch.stack([clicked, converted], dim=1).float()
    dense = funnel_metrics(click, conversion, labels, score)
    assert funnel_metrics(click, conversion, labels, score, partly_labelled=True) == dense


@pytest.mark.parametrize(
    ("conversions", "expected"),
    [([0, 1, MISSING], True), ([0, 1, 0], False), ([MISSING, MISSING, MISSING], False)],
)
def test_a_label_is_given_a_click_if_it_is_missing_without_one(
    conversions: list[float], expected: bool
) -> None:
    labels = torch.stack([torch.tensor([1.0, 1.0, 0.0]), torch.tensor(conversions)], dim=1)
    assert is_given_click(labels) is expected


def test_without_a_known_conversion_the_cvr_is_undefined() -> None:
    labels = torch.tensor([[1, MISSING], [0, 0]])
    with pytest.raises(DataError, match="no row with a known conversion was clicked"):
        funnel_metrics(torch.zeros(1, 2), torch.zeros(1, 2), labels, score, partly_labelled=True)
