"""`emm repro --dry`: what would run, and why."""

from collections import Counter
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from emm_dvc.repro.graph import answer_of, asking

UNCHANGED = "unchanged"
_NAMED = 4
_STYLES = {"runs": "bold yellow", "may run": "yellow", "fails": "bold red"}


def dry_run(targets: Sequence[str] = ()) -> Table:
    """A table of the stages of ``dvc repro targets`` that aren't up to date.

    It needs no data: the hashes that earlier stages would leave are followed from stage to stage.
    Raises StageError with DVC's words if the graph can't be read.
    """
    with asking("forecast", *targets) as process:
        found = answer_of(process)
    table = Table(title=_title(found), title_justify="left", box=None, pad_edge=False)
    for heading in ("stage", "what", "why"):
        table.add_column(heading, overflow="fold")
    for each in found:
        if each["verdict"] != UNCHANGED:
            style = _STYLES.get(each["verdict"], "green")
            why = "\n".join(_line(reason, items) for reason, items in each["reasons"].items())
            table.add_row(each["stage"], f"[{style}]{each['verdict']}[/]", escape(why))
    return table


def _line(reason: str, items: Sequence[str]) -> str:
    """One kind of reason, with the first few things that it is about."""
    more = [f"and {len(items) - _NAMED} more"] if len(items) > _NAMED else []
    return f"{reason}: {', '.join([*items[:_NAMED], *more])}" if items else reason


def _title(found: Sequence[dict[str, str]]) -> str:
    """How many stages there are of each verdict."""
    counts = Counter(each["verdict"] for each in found)
    parts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return f"{len(found)} stages" + (f": {parts}" if parts else "")
