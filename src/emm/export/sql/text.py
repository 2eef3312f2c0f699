"""Text of expressions. Characters are code points, as in Polars."""

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
import polars as pl

from emm.export.nodes import Nodes
from emm.export.sql.values import NotExpressibleError, Value, as_text, either, where

BLANKS = (
    r"\x{09}-\x{0D}\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}"
    r"\x{3000}"
)
"""What Polars strips: the characters of Unicode's property White_Space, in a class of RE2."""

_TRIMMED = {
    "StripChars": "(?s)[^{0}](?:.*[^{0}])?",
    "StripCharsStart": "(?s)[^{0}].*",
    "StripCharsEnd": "(?s).*[^{0}]",
}
TRIMS = tuple(_TRIMMED)

_SAME = "\0"  # what the table of letters has for those that don't change
_CLASS = re.compile(r"\\[A-Za-z0-9]")
_EMPTY = np.array("", object)


def trimmed(nodes: Nodes, name: str, text: str, characters: str | None) -> str:
    """Text [B, 1] without ``characters``, or blanks, at its ends."""
    inside = BLANKS if characters is None else "".join(f"\\x{{{ord(c):X}}}" for c in characters)
    if not inside:
        return text
    first = _first(nodes, _tokens(nodes, text, _TRIMMED[name].format(inside)))
    return _without_filler(nodes, first)


def changed_case(nodes: Nodes, text: str, *, upper: bool) -> str:
    """Text [B, 1] in large or small letters."""
    letters, others = _letters(upper=upper)
    array = nodes.onnx.numpy_helper.from_array
    characters = _tokens(nodes, text, "(?s).")
    changed = nodes.add(
        "LabelEncoder",
        [characters],
        domain="ai.onnx.ml",
        keys_tensor=array(letters, "keys"),
        values_tensor=array(others, "values"),
        default_tensor=array(np.array([_SAME], object), "default"),
    )
    same = nodes.add("Equal", [changed, nodes.constant(np.array(_SAME, object))])
    return _without_filler(nodes, _joined(nodes, where(nodes, same, characters, changed)))


@cache
def _letters(*, upper: bool) -> tuple[np.ndarray, np.ndarray]:
    """The characters that change, and what they become."""
    every = [chr(code) for code in range(1, 0x1E944) if not 0xD800 <= code <= 0xDFFF]
    letter = pl.Series("letter", every)
    other = letter.str.to_uppercase() if upper else letter.str.to_lowercase()
    found = pl.DataFrame({"letter": letter, "other": other}).filter(letter != other)
    return tuple(found[name].to_numpy().astype(object) for name in ("letter", "other"))  # type: ignore[return-value]


def sigma(nodes: Nodes, text: str) -> str:
    """Where text has a capital sigma, whose small letter depends on its place in a word."""
    return nodes.add("RegexFullMatch", [text], pattern="(?s).*Σ.*")


def part(nodes: Nodes, text: str, start: int, length: int | None) -> str:
    """The characters of text [B, 1] from ``start`` on."""
    if start < 0 or (length is not None and length < 0):
        raise NotExpressibleError("a part of text that is counted from its end")
    end = np.iinfo(np.int64).max if length is None else start + length
    bounds = [nodes.constant(np.array([each])) for each in (start, end, 2)]
    kept = nodes.add("Slice", [_tokens(nodes, text, "(?s)."), *bounds])
    return _without_filler(nodes, _joined(nodes, kept))


def length(nodes: Nodes, text: str) -> str:
    """The number of characters of text [B, 1], int64."""
    characters = _tokens(nodes, text, "(?s).")
    some = nodes.add("Not", [nodes.add("Equal", [characters, nodes.constant(_EMPTY)])])
    axis = nodes.constant(np.array([2]))
    counts = nodes.add("ReduceSum", [nodes.cast(some, "INT64"), axis], keepdims=0)
    return _without_filler(nodes, counts)


def joined(nodes: Nodes, values: Sequence[Value], *, ignore_nulls: bool) -> Value:
    """Values as text, one after another; NULL if one is, or without those that are."""
    texts = [as_text(nodes, each) for each in values if not (ignore_nulls and each.is_null)]
    parts = [_blank(nodes, each) if ignore_nulls else each.tensor for each in texts]
    found = parts[0] if parts else nodes.constant(_EMPTY)
    for each in parts[1:]:
        found = nodes.add("StringConcat", [found, each])
    missing = None if ignore_nulls else either(nodes, *(each.missing for each in texts))
    return Value(found, "text", missing)


def _blank(nodes: Nodes, text: Value) -> str:
    if text.missing is None:
        return text.tensor
    return where(nodes, text.missing, nodes.constant(_EMPTY), text.tensor)


def matches(nodes: Nodes, text: Value, pattern: str) -> Value:
    """Whether a regular expression is found in text."""
    if _CLASS.search(pattern):
        raise NotExpressibleError("a regular expression with classes such as \\d; write [0-9]")
    found = nodes.add("RegexFullMatch", [text.tensor], pattern=f"(?s:.*)(?:{pattern})(?s:.*)")
    return Value(found, "truth", text.missing)


def escaped(text: str) -> str:
    """Text as a regular expression of itself."""
    return "".join(c if c.isalnum() else f"\\x{{{ord(c):X}}}" for c in text)


def contains(nodes: Nodes, text: Value, words: tuple[str, str, str]) -> Value:
    """Whether text has a literal inside: what stands before, the literal, what stands after, as
    regular expressions."""
    found = nodes.add("RegexFullMatch", [text.tensor], pattern="".join(words))
    return Value(found, "truth", text.missing)


def _tokens(nodes: Nodes, text: str, pattern: str) -> str:
    """What a pattern finds in text, and in one more row, so that something is found:
    [B + 1, 1, most of any]."""
    filler = nodes.constant(np.array([["x"]], object))
    return nodes.tokens(nodes.add("Concat", [text, filler], axis=0), pattern, "")


def _first(nodes: Nodes, tokens: str) -> str:
    return nodes.add("Gather", [tokens, nodes.constant(np.array(0))], axis=2)


def _without_filler(nodes: Nodes, rows: str) -> str:
    start, end = nodes.constant(np.array([0])), nodes.constant(np.array([-1]))
    return nodes.add("Slice", [rows, start, end])


def _joined(nodes: Nodes, characters: str) -> str:
    """Characters [B, 1, K] as text [B, 1]."""
    helper, text = nodes.onnx.helper, nodes.onnx.TensorProto.STRING
    info = helper.make_tensor_value_info
    same = helper.make_node("Equal", ["character", "character"], ["always"])
    longer = helper.make_node("StringConcat", ["before", "character"], ["longer"])
    # onnxruntime would append to the text that the step before has left in the output.
    copied = helper.make_node("Where", ["always", "longer", "before"], ["after"])
    body = helper.make_graph(
        [same, longer, copied],
        "joined",
        [info(name, text, [None, 1]) for name in ("before", "character")],
        [info("after", text, [None, 1])],
    )
    empty = nodes.constant(np.array([[[""]]], object))
    shape = nodes.add("Shape", [characters], start=0, end=2)
    one = nodes.constant(np.array([1]))
    start = nodes.add("Expand", [empty, nodes.add("Concat", [shape, one], axis=0)])
    start = nodes.add("Squeeze", [start, nodes.constant(np.array([2]))])
    return nodes.add("Scan", [start, characters], num_scan_inputs=1, scan_input_axes=[2], body=body)
