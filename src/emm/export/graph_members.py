"""The scores of members from outside as operators of ONNX: their own graphs, composed in."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from emm.data.tables.kinds import INTEGER, TEXT
from emm.data.tables.schema import CLASSES
from emm.export.columns import ENCODED_DENSE, ENCODED_SPARSE
from emm.export.graph_catboost import add_catboost
from emm.export.graph_native import add_native_trees
from emm.export.graph_raw import RawColumns
from emm.export.graph_trees import add_trees, logits_of
from emm.export.member_inputs import MemberInputs
from emm.export.members import Outside
from emm.export.nodes import Nodes
from emm.export.sql.values import either
from emm.export.subgraph import part_for
from emm.fusion.emm import EMM
from emm.outside.catboost import CatBoostScorer
from emm.outside.catboost_texts import known_texts
from emm.outside.logits import EDGE
from emm.outside.onnx import CutOnnx, OnnxModel, OnnxScorer
from emm.outside.onnx.inputs import OnnxInput
from emm.outside.score import has_logits
from emm.outside.trees import RawScorer
from emm.predict.outside import OutsideScorer

_FLOAT_EDGE = float(np.finfo(np.float32).eps / 2)  # see emm.outside.onnx.logit.log_odds


def add_scores(
    nodes: Nodes, model: EMM, outside: Outside, raw: RawColumns, features: Callable[[], str]
) -> str:
    """Add the scored columns of a fused model [B, P] float32: the logits of opaque members, then
    the inputs of the layers of networks that are cut.

    ``features``: adds what trees on encoded columns read, [B, D + F] double.
    """
    opaque = len(model.scored) - sum(width > 0 for width in model.entries)
    members = [_Member(nodes, name, outside[name], raw) for name in model.scored_names]
    parts: dict[int, str] = {}
    # Trees last: of which version their operator is depends on the graphs that are composed in.
    for number, member in sorted(enumerate(members), key=lambda pair: not pair[1].is_onnx):
        if not member.is_onnx:
            values = member.tree_logits(features)
        else:
            values = member.logits() if number < opaque else member.first_unit(model.scored[number])
        parts[number] = nodes.cast(values, "FLOAT")
    return nodes.concat([parts[number] for number in range(len(members))])


class _Member:
    """A member whose scores are added."""

    def __init__(self, nodes: Nodes, name: str, scorer: OutsideScorer, raw: RawColumns) -> None:
        self.nodes, self.name, self.opened = nodes, name, scorer.opened
        self.processed = scorer.processed
        self.inputs = MemberInputs(
            raw,
            self.opened.matches.inputs,
            self.opened.known,
            f"fusion.pool.{name}",
            self._encoded if self.opened.model.columns == "encoded" else None,
        )

    @property
    def is_onnx(self) -> bool:
        """Whether it has a graph of its own."""
        return isinstance(self.opened.model, OnnxScorer)

    def logits(self) -> str:
        """Its logits [B, outputs], as the stage `score` computes them."""
        scorer: Any = self.opened.model
        model: OnnxModel = scorer.model
        exact = has_logits(self.opened)
        if exact and model.logit is not None:
            found = self.nodes.cast(self._computed(model, model.logit), "DOUBLE")
        else:
            values = self.nodes.cast(self._computed(model, model.prediction), "DOUBLE")
            found = self._to_logits(values, exact=exact, width=model.width)
        if scorer.order:
            order = self.nodes.constant(np.array(scorer.order, np.int64))
            found = self.nodes.add("Gather", [found, order], axis=1)
        return self._usable(found)

    def first_unit(self, width: int) -> str:
        """The output of the front and the first unit of a network that is cut, [B, H]."""
        scorer: Any = self.opened.model
        join: CutOnnx = scorer.join
        values = self._computed(scorer.model, join.scored.name)
        shape = self.nodes.constant(np.array([-1, width], np.int64))
        return self._usable(self.nodes.add("Reshape", [values, shape]))

    def tree_logits(self, features: Callable[[], str]) -> str:
        """The logits, or standardised values, of trees on raw or encoded columns, [B, outputs]."""
        model: Any = self.opened.model
        if isinstance(model, CatBoostScorer):
            texts = known_texts(self.opened, self.processed)
            values, width = add_catboost(self.nodes, model, self.inputs, texts)
        elif isinstance(model, RawScorer):
            width = model.trees.native.outputs
            values = add_native_trees(self.nodes, model.trees, self.inputs)
        else:
            width = model.trees.outputs
            values = add_trees(self.nodes, features(), [logits_of(model.trees, 0)], width)
        return self._usable(self._to_logits(values, exact=False, width=width))

    def _to_logits(self, values: str, *, exact: bool, width: int) -> str:
        """See `emm.outside.logits.to_logits` and `OnnxModel.logits`."""
        context, nodes = self.opened.context, self.nodes
        gives = self.opened.entry.gives or self.opened.model.gives
        if gives == "value" and context.target is not None:
            centred = nodes.add("Sub", [values, _number(nodes, context.target.mean)])
            return nodes.add("Div", [centred, _number(nodes, context.target.std)])
        if gives != "probability":
            return values
        edge = _FLOAT_EDGE if exact else EDGE
        low, high = _number(nodes, edge), _number(nodes, 1 - edge)
        inside = nodes.add("Min", [nodes.add("Max", [values, low]), high])
        several = width > 1 if exact else context.kind == CLASSES
        if not several:
            rest = nodes.add("Sub", [_number(nodes, 1.0), inside])
            inside = nodes.add("Div", [inside, rest])
        return nodes.add("Log", [inside])

    def _computed(self, model: OnnxModel, tensor: str) -> str:
        """Add what of a model computes one of its tensors, and return that."""
        graph, versions = part_for(model.proto, tensor, self.opened.entry.path)
        self.nodes.require(versions, f"fusion.pool.{self.name}")
        given = {each.name: self._input(each) for each in model.inputs}
        output = self.nodes.name(self.name)
        self.nodes.insert(graph, self.name, {**given, tensor: output})
        return output

    def _input(self, given: OnnxInput) -> str:
        """The tensor that an input of the model reads: [B, columns] or [B]."""
        parts = [self._column(column, given) for column in given.columns]
        every = self.nodes.concat(parts)
        if not given.flat:
            return every
        return self.nodes.add("Squeeze", [every, self.nodes.constant(np.array([1]))])

    def _column(self, column: str, given: OnnxInput) -> str:
        if given.kind == TEXT:
            return self.inputs.text(column)
        if given.kind == INTEGER:
            values = self.inputs.integer(column)
        else:
            values = self.inputs.number(column)
        return self.nodes.cast(values, _TYPES[given.dtype])

    def _encoded(self, column: str) -> str:
        """A processed column [B, 1]."""
        context = self.opened.context
        place = context.encoded.index(column)
        source, at = ENCODED_DENSE, place
        if place >= context.inputs.dense:
            source, at = ENCODED_SPARSE, place - context.inputs.dense
        return self.nodes.add("Gather", [source, self.nodes.constant(np.array([at]))], axis=1)

    def _usable(self, values: str) -> str:
        """NaN in rows for which the member has no prediction."""
        unusable = either(self.nodes, *self.inputs.unusable)
        if unusable is None:
            return values
        values = self.nodes.cast(values, "DOUBLE")
        return self.nodes.add("Where", [unusable, _number(self.nodes, np.nan), values])


def _number(nodes: Nodes, value: float) -> str:
    return nodes.constant(np.array(value, np.float64))


_TYPES: Mapping[str, str] = {
    "float16": "FLOAT16",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "int64": "INT64",
    "int32": "INT32",
    "int16": "INT16",
    "int8": "INT8",
    "uint8": "UINT8",
    "bool": "BOOL",
}
