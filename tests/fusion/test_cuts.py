import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.core.errors import DecompositionError
from emm.fusion.cuts import Cuts, cut_at_common_layers
from emm.nn.structure import Layer, Structure


def layer(kind: str, number: int, width: int = 8) -> Layer:
    return Layer(str(number), Structure(kind, ((width,),), (width,), ""), kind[0].isupper())


def model(kinds: str, width: int = 8) -> list[Layer]:
    """One layer per letter; capitals are linear-like layers."""
    return [layer(kind, n, width) for n, kind in enumerate(kinds)]


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


def test_identical_models_of_n_linear_layers_have_n_components() -> None:
    assert parts({"a": "XXXX", "b": "XXXX"}) == {"a": ["X"] * 4, "b": ["X"] * 4}
    assert parts({"a": "XnrdXnrd"}) == {"a": ["Xnrd", "Xnrd"]}


def test_a_cut_comes_after_every_common_linear_layer_and_what_follows_it() -> None:
    assert parts({"a": "AXrYdA", "b": "BXrYdB"}) == {
        "a": ["AXr", "Yd", "A"],
        "b": ["BXr", "Yd", "B"],
    }


def test_a_norm_or_a_weightless_layer_in_common_is_enough() -> None:
    assert parts({"a": "AnAr", "b": "BnBr"}) == {"a": ["An", "Ar"], "b": ["Bn", "Br"]}


def test_linear_layers_in_common_count_before_other_layers() -> None:
    assert parts({"a": "AnrX", "b": "XBnr"}) == {"a": ["AnrX"], "b": ["XBnr"]}
    assert parts({"a": "XnrA", "b": "AnrXB"})["b"] == ["AnrX", "B"]


def test_units_that_share_layers_only_in_pairs_are_not_common() -> None:
    with pytest.raises(DecompositionError, match="share no layer"):
        parts({"a": "Anr", "b": "Bnd", "c": "Crd"})


def test_units_of_unequal_outputs_are_not_common() -> None:
    short = [layer("X", 0), layer("r", 1), layer("pool", 2, 4), layer("A", 3, 8)]
    models = {"a": short, "b": model("XrA")}
    assert spelled(cut_at_common_layers(models)) == {"a": ["XrpoolA"], "b": ["XrA"]}


def test_repeated_layers_are_matched_at_equal_depth() -> None:
    cuts = parts({"a": "AXAXAXAX", "b": "BBBXBBBX"})
    assert cuts == {"a": ["AXAX", "AXAX"], "b": ["BBBX", "BBBX"]}


def test_layers_after_the_last_cut_join_the_last_component_if_a_model_has_none() -> None:
    assert parts({"a": "AXA", "b": "BX"}) == {"a": ["AXA"], "b": ["BX"]}


def test_no_component_starts_at_a_norm_or_a_weightless_layer() -> None:
    assert parts({"a": "AXrAr", "b": "BXrrB"}) == {"a": ["AXr", "Ar"], "b": ["BXrr", "B"]}
    assert parts({"a": "rAXnA", "b": "dBXnB"}) == {"a": ["rAXn", "A"], "b": ["dBXn", "B"]}


def test_a_layer_in_common_before_the_first_linear_layer_counts_for_its_unit() -> None:
    assert parts({"a": "rAXnA", "b": "rBXnB"}) == {"a": ["rA", "Xn", "A"], "b": ["rB", "Xn", "B"]}


def test_a_model_without_a_linear_layer_cannot_be_cut() -> None:
    with pytest.raises(DecompositionError, match=r"(?s)b has no layer after which.*got: n \[8\]"):
        parts({"a": "AXr", "b": "nr"})


def test_models_of_the_same_structure_are_cut_in_the_same_way() -> None:
    cuts = parts({"a": "AXA", "twin": "AXA", "b": "BXB"})
    assert cuts["twin"] == cuts["a"] == ["AX", "A"]


def test_the_error_without_a_common_layer_names_models_and_most_similar_layers() -> None:
    models = {
        "narrow": [layer("Linear", 0, 8), layer("norm", 1, 8)],
        "wide": [layer("Linear", 0, 16), layer("norm", 1, 16)],
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


def image(kind: str) -> Layer:
    """A layer whose output has two dimensions."""
    return Layer(kind, Structure(kind, ((8,),), (2, 4), ""), linear=kind.isupper())


@pytest.mark.parametrize("adapt", [False, True])
def test_an_output_of_two_dimensions_before_the_tower_is_rejected(adapt: bool) -> None:
    models = {"a": model("XA"), "b": [layer("X", 0), image("B")]}
    with pytest.raises(DecompositionError, match=r"(?s)level 2 is not one vector.*b\n.*\[2, 4\]"):
        cut_at_common_layers(models, adapt=adapt)


@pytest.mark.parametrize("adapt", [False, True])
def test_convolutions_are_cut_only_where_their_output_is_flat(adapt: bool) -> None:
    layers = [image("C"), image("r"), image("C"), image("r"), layer("f", 4), *model("Xr")]
    cuts = spelled(cut_at_common_layers({"a": layers, "b": layers}, adapt=adapt))
    assert cuts == {"a": ["CrCrf", "Xr"], "b": ["CrCrf", "Xr"]}


def test_the_error_shows_what_reshapes_the_output_of_a_layer_in_common() -> None:
    models = {"a": [layer("X", 0)], "b": [layer("X", 0), layer("pool", 1, 4)]}
    with pytest.raises(DecompositionError, match=r"0 is X \[8\] -> \[8\], then \[4\]"):
        cut_at_common_layers(models)


def test_with_an_adapter_layers_without_a_common_type_are_an_error() -> None:
    with pytest.raises(DecompositionError, match="share no layer"):
        parts({"a": "AC", "b": "BD"}, adapt=True)


POOLS = st.lists(st.text("ABXYnr", min_size=1, max_size=7), min_size=1, max_size=4)


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
        assert all(level[0].isupper() for level in levels[1:])


@settings(deadline=None)
@given(POOLS)
def test_with_equal_widths_an_adapter_changes_no_cut(pool: list[str]) -> None:
    models = {f"{n}": model("X" + kinds) for n, kinds in enumerate(pool)}
    assert cut_at_common_layers(models, adapt=True) == cut_at_common_layers(models)


UNITS = st.lists(st.sampled_from(["X", "Xr", "Xnr", "Yn", "Yrd", "A"]), min_size=1, max_size=8)


@settings(deadline=None)
@given(UNITS, st.integers(1, 4), st.booleans())
def test_identical_models_have_a_component_per_linear_layer(
    units: list[str], copies: int, adapt: bool
) -> None:
    models = dict.fromkeys(map(str, range(copies)), "".join(units))
    assert parts(models, adapt=adapt) == dict.fromkeys(models, units)


@settings(deadline=None)
@given(UNITS, st.data())
def test_a_model_within_another_has_a_component_per_linear_layer(
    units: list[str], data: st.DataObject
) -> None:
    """One model is a subsequence of the other, for example its first layers."""
    kept = data.draw(st.sets(st.integers(0, len(units) - 1), min_size=1))
    inner = [units[place] for place in sorted(kept)]
    cuts = parts({"inner": "".join(inner), "outer": "".join(units)})
    assert cuts["inner"] == inner
    assert len(cuts["outer"]) == len(inner)


@settings(deadline=None)
@given(st.text("ABn", min_size=1), st.text("CDr", min_size=1))
def test_disjoint_models_are_an_error(left: str, right: str) -> None:
    with pytest.raises(DecompositionError, match="share no layer"):
        parts({"a": "A" + left, "b": "C" + right})
