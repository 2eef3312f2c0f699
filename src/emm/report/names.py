"""How models are called in tables and figures."""

_PRINTED = {
    "tm-1": "TM-1",
    "tm-2": "TM-2",
    "shared_bottom": "SharedBottom",
    "mmoe": "MMoE",
    "ple": "PLE",
    "aitm": "AITM",
    "adatt": "AdaTT",
    "gbdt": "GBDT",
    "emm": "EMM",
    "emm_paper": "EMM (paper)",
}


def printed(model: str) -> str:
    """The printed name of a model; a name that isn't known is printed as it is."""
    return _PRINTED.get(model, model)


def listed(names: list[str]) -> str:
    """ "A", "A and B", "A, B and C"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
