from emm.fusion.units import shared_layers, units_of
from emm.nn.structure import Layer, Structure

Shape = tuple[int, ...]


def layer(kind: str, output: Shape = (8,)) -> Layer:
    return Layer(kind, Structure(kind, ((8,),), output, ""), kind.isupper())


def spelled(kinds: str) -> list[str]:
    """The letters of each unit; capitals are linear-like layers."""
    return ["".join(x.name for x in unit.layers) for unit in units_of([*map(layer, kinds)])]


def test_a_unit_is_a_linear_layer_and_what_follows_it() -> None:
    assert spelled("LnrdLnrdL") == ["Lnrd", "Lnrd", "L"]


def test_layers_before_the_first_linear_layer_belong_to_its_unit() -> None:
    assert spelled("ndLrnLr") == ["ndLrn", "Lr"]


def test_without_a_linear_layer_there_is_no_unit() -> None:
    assert spelled("nrd") == []


def test_the_features_of_a_unit_are_its_layers_and_its_output() -> None:
    (unit,) = units_of([layer("L", (6,)), layer("r", (6,))])
    found = [(str(x.structure), x.output, x.linear) for x in unit.features(adapt=False)]
    assert found == [("L [8] -> [6]", (6,), True), ("r [8] -> [6]", (6,), False)]


def test_with_an_adapter_the_features_are_types() -> None:
    left, right = (units_of([layer("L", (n,)), layer("r", (n,))])[0] for n in (5, 6))
    assert left.features(adapt=True) == right.features(adapt=True)
    assert not {*left.features(adapt=False)} & {*right.features(adapt=False)}


def test_after_an_output_of_two_dimensions_no_cut_is_possible() -> None:
    (unit,) = units_of([layer("L", (2, 4))])
    assert unit.features(adapt=False) == unit.features(adapt=True) == ()


def test_shared_layers_are_listed_once_and_in_order() -> None:
    first, second = units_of([*map(layer, "LnrdrLrd")])
    assert shared_layers([first, second], adapt=False) == tuple(f"{x} [8] -> [8]" for x in "Lrd")
    assert shared_layers([second, first], adapt=True) == ("L", "r", "d")
