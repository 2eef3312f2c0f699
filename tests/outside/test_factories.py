import pytest

from emm.core.errors import ModelFileError, ParamsError
from emm.outside.factories import load_factory, trusting
from tests.fusion.conftest import INPUTS

SHALLOW = "tests.fusion.outside:Shallow"


def test_a_trusted_factory_builds_its_model() -> None:
    with trusting([SHALLOW]):
        model = load_factory(SHALLOW)(INPUTS)
    assert type(model).__name__ == "Shallow"


def test_a_factory_that_is_not_trusted_is_not_imported() -> None:
    with (
        trusting(["tests.fusion.outside:Deep"]),
        pytest.raises(ModelFileError, match=r"wants to run tests\.fusion\.outside:Shallow"),
    ):
        load_factory(SHALLOW)


def test_trust_ends_with_its_block() -> None:
    with trusting([SHALLOW]):
        pass
    with pytest.raises(ModelFileError, match="wants to run"):
        load_factory(SHALLOW)


@pytest.mark.parametrize("name", ["tests.fusion.outside:Nothing", "no.such:thing", "text"])
def test_a_missing_factory_is_an_error(name: str) -> None:
    with trusting([name]), pytest.raises(ParamsError, match="there is no factory"):
        load_factory(name)
