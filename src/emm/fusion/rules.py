"""Settings of a fused model that are each valid and can't hold together.

`emm check` reports them before anything runs, and the stage refuses them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from emm.config.signatures import keywords_of
from emm.core.errors import ParamsError
from emm.fusion.settings import FusedSettings
from emm.models import MODELS
from emm.training.settings import FitOn, FoldSettings

_PARTS = ("networks", "embeddings", "towers")
_NOTHING: Mapping[str, Any] = {
    "second": None,
    "start.networks": "trained",
    "start.embeddings": "trained",
}
_GATES: Mapping[str, Any] = {
    **_NOTHING,
    "start.towers": "frozen",
    "merge": False,
    "own_paths": True,
}
ONLY_GATES: Mapping[str, Mapping[str, Any]] = {
    "ensemble": _NOTHING,
    "aligned": _GATES,
    "stacked": {},  # see _learning_networks
}
"""The values, by variant, with which a fused model learns nothing but the weights of logits."""


def rows_of(fusion: FoldSettings, settings: FusedSettings) -> FitOn:
    """The rows that a fused model learns on: its own ``fit_on``, by default the fusion's."""
    return settings.fit_on or fusion.fit_on


def fused_faults(
    key: str,
    fusion: FoldSettings,
    settings: FusedSettings,
    arguments: Mapping[str, Any],
    file: object = None,
) -> Iterator[ParamsError]:
    """What contradicts itself in the section ``key`` of a fused model.

    ``arguments``: those of `EMM`; what is absent has its default.
    """
    defaults = {name: value for name, (_, value) in keywords_of(MODELS["emm"]).items()}
    given = {**defaults, **arguments}
    where = f"{file}: {key}" if file else key
    if rows_of(fusion, settings) == "out-of-fold":
        yield from _seen(key, where, settings, given)
    if given["variant"] == "stacked":
        yield from _learning_networks(where, settings)
    starts_at_zero = given["variant"] == "aligned" and given["merge"] and given["zero_merge"]
    if starts_at_zero and given["projections"] == "activated":
        yield ParamsError(
            "a merge whose V starts at zero behind ReLU never learns",
            where=where,
            got="projections: activated",
            expected="projections: linear or linear-no-bias",
            next_step="write one of them, or `zero_merge: false`",
        )


def _learning_networks(where: str, settings: FusedSettings) -> Iterator[ParamsError]:
    """Stacking combines the members as they are."""
    start, trained = settings.start, ("trained", "frozen")
    wrong = [f"start.{part}: fresh" for part in _PARTS if getattr(start, part) not in trained]
    wrong += ["second: a phase"] if settings.second else []
    if wrong:
        yield ParamsError(
            "variant: stacked combines the members' logits and trains no network",
            where=where,
            got=", ".join(wrong),
            expected="start and second left out",
            next_step="leave them out, or write another variant",
        )


def _seen(
    key: str, where: str, settings: FusedSettings, arguments: Mapping[str, Any]
) -> Iterator[ParamsError]:
    """Out of fold, only logits come from models that haven't seen the row, not hidden units."""
    variant, start = arguments["variant"], settings.start
    found = {
        **{name: arguments[name] for name in ("merge", "own_paths")},
        **{f"start.{part}": getattr(start, part) for part in _PARTS},
        "second": settings.second and "a phase",
    }
    wanted = ONLY_GATES.get(variant)
    wrong = [name for name, value in (wanted or {}).items() if found[name] != value]
    if wanted is None:
        got = f"variant: {variant}"
        expected = "variant: ensemble or stacked, or variant: aligned with " + _listed(_GATES)
    else:
        got = _listed({name: found[name] for name in wrong})
        expected = _listed({name: wanted[name] for name in wrong})
    if wanted is None or wrong:
        yield ParamsError(
            "with fit_on: out-of-fold, only the weights of the members' logits can learn: hidden "
            "units have seen the rows",
            where=where,
            got=got,
            expected=expected,
            next_step=f"write `fit_on: train` in {key} to learn on predictions for rows that the "
            "members have seen, or `fit_on: held-out` in fusion, for all fused models; or change "
            "it to what is expected",
        )


def _listed(values: Mapping[str, Any]) -> str:
    """Keys and values as in a recipe: "merge: false, start.towers: frozen"."""
    plain = {None: "null", True: "true", False: "false"}
    return ", ".join(f"{name}: {plain.get(value, value)}" for name, value in values.items())
