"""Sentences about the regimes, computed from the results."""

from collections.abc import Iterator, Mapping, Sequence

from emm.regimes.names import AVERAGE, EMM, NAMES
from emm.regimes.results import Difference, PoolResults, Size
from emm.report.names import join_names

ALPHA = 0.05
SAME = 0.00005
"""Differences below it vanish in the page's four digits; calibration changes how scores round."""

Titles = Mapping[str, str]


def pool_sentences(results: Sequence[PoolResults], titles: Titles) -> Iterator[str]:
    """About one pool on all datasets: EMM against the average, the best, and from scratch."""
    yield from _against_average(results, titles)
    yield from _against_scratch(results, titles)
    yield from _others_best(results, titles)


def overall_sentences(results: Sequence[PoolResults]) -> Iterator[str]:
    """About all pools and datasets together."""
    cases = [size for found in results for size in found.sizes]
    best = sum(highest(size) == EMM for size in cases)
    above = sum(_above(size.differences[AVERAGE]) for size in cases)
    below = sum(_below(size.differences[AVERAGE]) for size in cases)
    lower = [size for size in cases if size.differences[AVERAGE].value < -SAME]
    yield (
        f"In {len(cases)} cases, of a pool, a dataset and a number of joint rows, EMM has the "
        f"highest mean AUC in {best}. It is above the average of its pool in {above} of them and "
        f"below in {below}, beyond noise."
    )
    if lower:
        worst = min(size.differences[AVERAGE].value for size in lower)
        outside = sum(_beyond_error(size.differences[AVERAGE]) for size in lower)
        yield (
            f"Its mean AUC is below that of the average in {len(lower)} of {len(cases)}, by "
            f"{-worst:.4f} at most; in {outside} of them by more than a standard error."
        )
    else:
        yield "Its mean AUC is nowhere below that of the average."


def steps_sentence(found: PoolResults) -> str:
    """Which steps of EMM were taken, by number of joint rows."""
    parts = []
    for size in found.sizes:
        taken = [f"{step} {count} of {size.draws}" for step, count in size.steps.items() if count]
        parts.append(f"{rows_text(size)}: {', '.join(taken) or 'none'}")
    return f"Steps taken, in draws: {'; '.join(parts)}."


def rows_text(size: Size) -> str:
    """The number of joint rows, as the page writes it."""
    return f"{size.rows:,}" + (" (all)" if size.all else "")


def mark(found: Difference) -> str:
    """Whether a method is above or below EMM beyond noise."""
    return " ▼" if _above(found) else " ▲" if _below(found) else ""


def _against_average(results: Sequence[PoolResults], titles: Titles) -> Iterator[str]:
    for found in results:
        above = [size for size in found.sizes if _above(size.differences[AVERAGE])]
        below = [size for size in found.sizes if _below(size.differences[AVERAGE])]
        title = titles[found.dataset]
        if above:
            parts = [f"{_signed(_of(size))} with {rows_text(size)} rows" for size in above]
            yield f"{title}: EMM is above the average of its pool by {join_names(parts)}."
        if below:
            parts = [f"{_signed(_of(size))} with {rows_text(size)} rows" for size in below]
            yield f"{title}: EMM is below the average of its pool: {join_names(parts)}."
        if not above and not below:
            low = min(size.differences[AVERAGE].value for size in found.sizes)
            high = max(size.differences[AVERAGE].value for size in found.sizes)
            yield (
                f"{title}: EMM and the average of its pool don't differ beyond noise; the "
                f"differences are {low:+.4f} to {high:+.4f}."
            )


def _against_scratch(results: Sequence[PoolResults], titles: Titles) -> Iterator[str]:
    """From how many joint rows on the bagged trees from scratch reach EMM."""
    for found in results:
        reached = [
            rows_text(size) for size in found.sizes if not _above(size.differences["bagged_trees"])
        ]
        if reached:
            yield (
                f"{titles[found.dataset]}: EMM is not above bagged trees that learn on the joint "
                f"rows only, beyond noise, with {join_names(reached)} rows."
            )
        else:
            yield (
                f"{titles[found.dataset]}: EMM is above bagged trees that learn on the joint rows "
                "only, with every number of them."
            )


def _others_best(results: Sequence[PoolResults], titles: Titles) -> Iterator[str]:
    """Who is best where EMM isn't."""
    for found in results:
        for size in found.sizes:
            best = highest(size)
            if best != EMM:
                difference = size.differences[best]
                certain = "beyond noise" if _below(difference) else "by no more than noise"
                yield (
                    f"{titles[found.dataset]}, {rows_text(size)} rows: the highest mean AUC, "
                    f"{size.scores[best].auc:.4f}, is that of {NAMES[best]}; EMM has "
                    f"{size.scores[EMM].auc:.4f}, lower {certain}."
                )


def highest(size: Size) -> str:
    """The method with the highest mean AUC; EMM where it shares it."""
    top = max(size.scores, key=lambda name: size.scores[name].auc)
    return EMM if size.scores[top].auc - size.scores[EMM].auc < SAME else top


def _of(size: Size) -> Difference:
    return size.differences[AVERAGE]


def _signed(found: Difference) -> str:
    return f"{found.value:+.4f} (95 % interval {found.low:+.4f} to {found.high:+.4f})"


def _above(found: Difference) -> bool:
    return found.holm < ALPHA and found.value > 0


def _below(found: Difference) -> bool:
    return found.holm < ALPHA and found.value < 0


def _beyond_error(found: Difference) -> bool:
    return abs(found.value) > found.error
