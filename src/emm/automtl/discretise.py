"""Discretisation: which choice of an operator is fixed next, and to which candidate."""

import torch

from emm.automtl.export import Limits, Place, decide, excess
from emm.automtl.operators import Choice
from emm.automtl.settings import Certainty
from emm.automtl.supernet import Supernet


def open_choices(supernet: Supernet) -> dict[Place, Choice]:
    """The choices that still have more than one candidate."""
    return {place: choice for place, choice in supernet.choices() if choice.alpha is not None}


def likeliest(supernet: Supernet) -> dict[Place, str]:
    """For every choice, the candidate with the largest weight."""
    return {
        place: choice.names[int(choice.weights().argmax())] for place, choice in supernet.choices()
    }


def most_certain(
    supernet: Supernet, limits: Limits = (), certainty: Certainty = "weight"
) -> tuple[Place, str]:
    """The open choice that is the most certain, and the candidate with its largest weight.

    ``weight``: this weight is the largest; ``entropy``: that of its weights is the least. With
    ``limits``, the candidate must keep the architecture within them, where gates have their more
    likely values and all other choices their cheapest candidates. If no candidate does, it is the
    cheapest.
    """
    choices = open_choices(supernet)
    measure = _largest if certainty == "weight" else _negative_entropy
    place = max(choices, key=lambda each: measure(choices[each]))
    choice = choices[place]
    weights = dict(zip(choice.names, choice.weights().tolist(), strict=True))
    return place, max(_allowed(supernet, place, choice, limits), key=lambda name: weights[name])


def _largest(choice: Choice) -> float:
    return choice.weights().max().item()


def _negative_entropy(choice: Choice) -> float:
    return -float(torch.special.entr(choice.weights().detach()).sum())


def _allowed(supernet: Supernet, place: Place, choice: Choice, limits: Limits) -> list[str]:
    if not limits:
        return list(choice.names)
    others = {other: _cheapest(each, limits, supernet) for other, each in supernet.choices()}
    fitting = [
        name
        for name in choice.names
        if not excess(decide(supernet, others | {place: name}), limits)
    ]
    return fitting or [others[place]]


def _cheapest(choice: Choice, limits: Limits, supernet: Supernet) -> str:
    meter = limits[0][0]
    return min(choice.names, key=lambda name: meter.operator(name, supernet.width))
