import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.core.errors import DecompositionError
from emm.fusion.cuts import Cuts, cut_at_common_layers
from emm.fusion.layers import Layer, Structure


def layer(kind: str, number: int, width: int = 8, *, weighted: bool = True) -> Layer:
    return Layer(str(number), Structure(kind, ((width,),), (width,), ""), weighted)


def model(kinds: str, width: int = 8) -> list[Layer]:
    """One layer per letter; lower-case letters are layers without weights."""
    return [layer(kind, n, width, weighted=kind.isupper()) for n, kind in enumerate(kinds)]


def parts(models: dict[str, str], *, adapt: bool = False) -> dict[str, list[str]]:
    """The letters of each component; with ``adapt`` each model has its own width."""
    built = {
        name: model(kinds, 8 + number * adapt)
        for number, (name, kinds) in enumerate(models.items())
    }
    return spelled(cut_at_common_layers(built, adapt=adapt))


def spelled(cuts: dict[str, Cuts]) -> dict[str, list[str]]:
    return {
        name: ["".join(layer.structure.kind for layer in level) for level in levels]
        for name, levels in cuts.items()
    }


def test_the_papers_example_of_18_and_24_layers_gives_two_components_each() -> None:
    a = "A" * 7 + "X" + "A" * 10
    b = "B" * 19 + "X" + "B" * 4
    cuts = parts({"a": a, "b": b})
    assert [len(part) for part in cuts["a"]] == [8, 10]
    assert [len(part) for part in cuts["b"]] == [20, 4]


def test_a_run_of_common_layers_makes_one_cut() -> None:
    assert parts({"a": "AXYA", "b": "BXYB"}) == {"a": ["AXY", "A"], "b": ["BXY", "B"]}


def test_common_layers_that_are_consecutive_in_only_one_model_make_two_cuts() -> None:
    assert parts({"a": "XYA", "b": "XBYB"}) == {"a": ["X", "Y", "A"], "b": ["X", "BY", "B"]}


def test_repeated_layers_are_matched_at_equal_depth() -> None:
    cuts = parts({"a": "AXAXAXAX", "b": "BBBXBBBX"})
    assert cuts == {"a": ["AXAX", "AXAX"], "b": ["BBBX", "BBBX"]}


def test_layers_after_the_last_cut_join_the_last_component_if_a_model_has_none() -> None:
    assert parts({"a": "AXA", "b": "BX"}) == {"a": ["AXA"], "b": ["BX"]}


def test_a_component_without_weights_joins_its_neighbour() -> None:
    # The activation r is common to all, and occurs twice in a row in b.
    assert parts({"a": "AXrAr", "b": "BXrrB"}) == {"a": ["AXr", "Ar"], "b": ["BXr", "rB"]}
    assert parts({"a": "rAXA", "b": "rBXB"}) == {"a": ["rAX", "A"], "b": ["rBX", "B"]}


def test_models_of_the_same_structure_are_cut_in_the_same_way() -> None:
    cuts = parts({"a": "AXA", "twin": "AXA", "b": "BXB"})
    assert cuts["twin"] == cuts["a"] == ["AX", "A"]


def test_the_error_without_a_common_layer_names_models_and_most_similar_layers() -> None:
    models = {
        "narrow": [layer("Linear", 0, 8), layer("Norm", 1, 8)],
        "wide": [layer("Linear", 0, 16), layer("Norm", 1, 16)],
    }
    with pytest.raises(DecompositionError) as caught:
        cut_at_common_layers(models)
    assert "narrow and wide" in str(caught.value)
    assert "Linear [8] -> [8]" in str(caught.value)
    assert "Linear [16] -> [16]" in str(caught.value)


def test_different_output_shapes_at_a_level_are_an_error() -> None:
    models = {
        "a": [layer("X", 0), layer("A", 1, 8)],
        "b": [layer("X", 0), layer("B", 1, 4)],
    }
    with pytest.raises(DecompositionError, match=r"(?s)level 2 differ.*\[8\] and \[4\]"):
        cut_at_common_layers(models)


def test_with_an_adapter_models_are_cut_as_if_widths_were_equal() -> None:
    models = {"a": "AXrAYA", "b": "BXrBBYB"}
    assert parts(models, adapt=True) == parts(models)
    with pytest.raises(DecompositionError, match="share no layer"):
        cut_at_common_layers({name: model(kinds, 8 + len(kinds)) for name, kinds in models.items()})


def test_with_an_adapter_output_widths_of_a_level_may_differ() -> None:
    models = {
        "a": [layer("X", 0), layer("A", 1, 8)],
        "b": [layer("X", 0), layer("B", 1, 4)],
    }
    assert spelled(cut_at_common_layers(models, adapt=True)) == {"a": ["X", "A"], "b": ["X", "B"]}


def test_with_an_adapter_outputs_of_two_dimensions_are_rejected() -> None:
    image = Layer("image", Structure("X", ((8,),), (2, 4), ""), weighted=True)
    models = {"a": [layer("X", 0), layer("A", 1)], "b": [image, layer("B", 1)]}
    with pytest.raises(DecompositionError, match=r"(?s)level 1 is not one vector.*b\n.*\[2, 4\]"):
        cut_at_common_layers(models, adapt=True)


def test_with_an_adapter_layers_without_a_common_type_are_an_error() -> None:
    with pytest.raises(DecompositionError, match="share no layer"):
        parts({"a": "AC", "b": "BD"}, adapt=True)


POOLS = st.lists(st.text("ABXYr", min_size=1, max_size=7), min_size=1, max_size=4)


@settings(deadline=None)
@given(POOLS, st.booleans())
def test_every_model_is_cut_into_the_same_number_of_components(
    pool: list[str], adapt: bool
) -> None:
    models = {f"{n}": "X" + kinds for n, kinds in enumerate(pool)}
    cuts = parts(models, adapt=adapt)
    assert len({len(levels) for levels in cuts.values()}) == 1
    for name, levels in cuts.items():
        assert "".join(levels) == models[name]
        assert all(any(kind.isupper() for kind in level) for level in levels)


@settings(deadline=None)
@given(POOLS)
def test_with_equal_widths_an_adapter_changes_no_cut(pool: list[str]) -> None:
    models = {f"{n}": model("X" + kinds) for n, kinds in enumerate(pool)}
    assert cut_at_common_layers(models, adapt=True) == cut_at_common_layers(models)
