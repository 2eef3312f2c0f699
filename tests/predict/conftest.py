from pathlib import Path

import pytest

from tests.predict.shops import build_shop


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of custom data with trained and evaluated models."""
    return build_shop(tmp_path_factory.mktemp("predicted"))
