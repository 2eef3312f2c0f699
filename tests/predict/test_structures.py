"""Networks that aren't cut, and a pool of them and trees: from raw text to what `evaluate` has.

The shop has a binary task, a regression and one of classes, multi-valued fields and missing values.
"""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from emm.api.opening import open_model
from emm.predict.run import predict_files
from tests.predict.projects import evaluated, inside
from tests.predict.shops import DATA, NAME, build_shop
from tests.predict.test_half import LOGITS

STRUCTURES = ("tabm", "dcnv2", "realmlp", "ft_transformer")
MODELS = (*STRUCTURES, "gbdt", "ensemble")


@pytest.fixture(scope="module")
def uncut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project without a network that is cut."""
    return build_shop(tmp_path_factory.mktemp("uncut"), MODELS, STRUCTURES)


@pytest.mark.parametrize("model", [*STRUCTURES, "ensemble"])
def test_the_logits_of_the_raw_text_are_those_of_evaluate(
    uncut: Path, tmp_path: Path, model: str
) -> None:
    with inside(uncut):
        opened = open_model(f"{NAME}/tiny/{model}")
        second = Path("data/raw", NAME, DATA["custom"]["test"])
        predict_files(opened.model, [second], tmp_path / "out.parquet", as_logits=True)
    found = pl.read_parquet(tmp_path / "out.parquet").select(LOGITS).to_numpy()
    np.testing.assert_array_equal(found, evaluated(uncut, NAME, model))


def test_the_fused_model_is_the_mean_of_all(uncut: Path) -> None:
    members = [evaluated(uncut, NAME, model) for model in MODELS[:-1]]
    fused = evaluated(uncut, NAME, "ensemble")
    np.testing.assert_allclose(fused, np.mean(members, axis=0), rtol=1e-4, atol=1e-5)
