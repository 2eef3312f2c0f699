"""Display names of models, and lists of names."""

from collections.abc import Sequence

_DISPLAY_NAMES = {
    "tm-1": "TM-1",
    "tm-2": "TM-2",
    "tm-3": "TM-3",
    "tabm": "TabM",
    "dcnv2": "DCN V2",
    "realmlp": "RealMLP",
    "ft_transformer": "FT-Transformer",
    "shared_bottom": "SharedBottom",
    "mmoe": "MMoE",
    "ple": "PLE",
    "automtl": "AutoMTL",
    "aitm": "AITM",
    "adatt": "AdaTT",
    "esmm": "ESMM",
    "escm2": "ESCM²",
    "stem": "STEM",
    "cross_stitch": "Cross-stitch",
    "sluice": "Sluice",
    "home": "HoME",
    "resflow": "ResFlow",
    "ektm": "EKTM",
    "gbdt": "GBDT",
    "catboost": "CatBoost",
    "hist": "HistGB",
    "emm": "EMM",
    "student": "Student",
    "student_labels": "Student's network, labels only",
    "student_small": "Student (small)",
    "student_small_labels": "Small student's network, labels only",
    "emm_paper": "EMM (paper)",
    "emm_aligned": "EMM (aligned)",
    "ensemble": "Ensemble",
    "ensemble_three": "Ensemble (without HistGB)",
    "emm_three": "EMM (without HistGB)",
    "ensemble_networks": "Ensemble (networks)",
    "emm_networks": "EMM (networks)",
    "paper_scratch": "EMM (paper), from scratch, no MTM",
    "paper_scratch_mtm": "EMM (paper), from scratch",
    "paper_pool": "EMM (paper), no MTM",
    "aligned_merge": "EMM (merge)",
    "aligned_shared_paths": "EMM (shared paths)",
    "aligned_random_start": "EMM (networks from scratch)",
    "aligned_feature_gates": "EMM (feature gates)",
    "aligned_trained_towers": "EMM (trained towers)",
    "aligned_fresh_towers": "EMM (fresh towers)",
    "aligned_fresh_embeddings": "EMM (fresh embeddings)",
    "aligned_second_phase": "EMM (second phase)",
    "aligned_fit_on_train": "EMM (fit on train)",
    "aligned_held_out": "EMM (fit on held-out rows)",
}


def display_name(model: str) -> str:
    """Return a model's name for tables and figures; an unknown name stays as it is."""
    return _DISPLAY_NAMES.get(model, model)


def join_names(names: Sequence[str]) -> str:
    """Join names as in a sentence: "A", "A and B", "A, B and C"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
