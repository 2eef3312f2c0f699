import pytest

from emm.core.errors import ParamsError
from emm.outside.matching import Matches, columns_of, match_inputs, require_matched
from emm.outside.scorer import ModelInput

KNOWN = ("age", "capital gain", "education", "weeks.worked")


def inputs(*names: str) -> list[ModelInput]:
    return [ModelInput(name, None) for name in names]


def test_inputs_read_the_columns_of_their_names() -> None:
    found = match_inputs(inputs("education", "age"), {}, KNOWN)
    assert found == Matches({"education": "education", "age": "age"})
    assert [*found.said] == []


def test_an_expression_takes_the_place_of_a_name() -> None:
    expressions = {"age": "age / 10", "x": '"capital gain" + age'}
    found = match_inputs(inputs("age", "x"), expressions, KNOWN)
    assert found.inputs == expressions
    assert columns_of(found, KNOWN) == ("age", "capital gain")
    with pytest.raises(ParamsError, match="reads 'agee', which is no column"):
        match_inputs(inputs("age"), {"age": "agee * 2"}, KNOWN)


def test_a_nearly_equal_name_counts_and_is_said() -> None:
    found = match_inputs(inputs("Capital_Gain", "weeks worked"), {}, KNOWN)
    assert found.inputs == {"Capital_Gain": "capital gain", "weeks worked": "weeks.worked"}
    assert found.alike == ("Capital_Gain", "weeks worked")
    assert "'Capital_Gain' 'capital gain'" in next(found.said)


def test_two_nearly_equal_names_are_no_match() -> None:
    found = match_inputs(inputs("a_b"), {}, ["a b", "a-b"])
    assert found.inputs == {}
    assert {*found.unmatched["a_b"]} <= {"a b", "a-b"}


def test_columns_of_a_matrix_are_matched_by_order() -> None:
    wanted = inputs("X[0]", "X[1]")
    found = match_inputs(wanted, {}, KNOWN, order=["education", "age"])
    assert found.inputs == {"X[0]": "education", "X[1]": "age"}
    assert "'education' to 'age'" in next(found.said)
    assert match_inputs(wanted, {}, KNOWN, order=["age"]).unmatched.keys() == {"X[0]", "X[1]"}
    some = match_inputs(wanted, {"X[0]": "age"}, KNOWN, order=["education"])
    assert some.inputs == {"X[0]": "age", "X[1]": "education"}


def test_what_cannot_be_matched_is_named_with_the_nearest_columns() -> None:
    found = match_inputs(inputs("age", "educatoin", "zzz"), {}, KNOWN)
    assert found.unmatched == {"educatoin": ("education",), "zzz": ()}
    with pytest.raises(ParamsError, match=r"'educatoin', nearest 'education'; 'zzz'(.|\n)*columns"):
        require_matched(found, "conf: fusion.pool.risk.columns", KNOWN)


def test_a_key_that_is_no_input_is_named() -> None:
    found = match_inputs(inputs("age"), {"agee": "age"}, KNOWN)
    with pytest.raises(ParamsError, match="no input 'agee'; did you mean 'age'"):
        require_matched(found, "conf", KNOWN)


def test_all_matched_is_fine() -> None:
    require_matched(match_inputs(inputs("age"), {}, KNOWN), "conf", KNOWN)
