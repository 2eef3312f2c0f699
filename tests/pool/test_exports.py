"""The lines of pool/README.md: what they export is read, and predicts what the original did."""

from pathlib import Path

import pytest

from emm.commands.pool_add import add_model
from emm.commands.pool_entry import Request
from emm.config.project import load_project
from tests.configuration import CENSUS
from tests.pool.exports import MODELS, README, export

LAYERS = "Linear [2] -> [8]; Linear [8] -> [8]"
JOINS = {
    "scikit-learn": "joins as an opaque member: ",
    "LightGBM": "joins as an opaque member: ",
    "XGBoost": "joins as an opaque member: ",
    "CatBoost": "joins as an opaque member: ",
    "Keras": f"joins as layers, and can be cut after {LAYERS}",
    "PyTorch": f"joins as layers, and can be cut after {LAYERS}",
}


@pytest.mark.parametrize("heading", MODELS)
def test_an_exported_model_joins_with_its_own_predictions(heading: str, project: Path) -> None:
    file = export(heading, project).relative_to(project)
    request = Request(file, CENSUS, "income")
    said = "\n".join(add_model(load_project(), request, write=False))
    assert "reference: 200 rows, largest difference" in said
    assert JOINS[heading] in said


def test_every_library_of_the_page_is_run() -> None:
    text = README.read_text(encoding="utf-8")
    assert text.count("```python") == len(MODELS)
