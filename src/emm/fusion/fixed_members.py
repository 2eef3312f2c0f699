"""What of a pool can't start fresh, and what doesn't learn with the networks."""

from collections.abc import Iterator

from emm.core.errors import ParamsError
from emm.fusion.members import Members, NetworkMember
from emm.fusion.settings import FusedSettings


def pool_faults(key: str, members: Members, settings: FusedSettings) -> Iterator[ParamsError]:
    """What a fused model can't start fresh: the parts of members that aren't networks of torch."""
    names = ", ".join(member.name for member in members.networks if member.entry)
    start = settings.start
    fresh = [
        f"{part}: fresh"
        for part in ("networks", "embeddings", "towers")
        if getattr(start, part) == "fresh"
    ]
    if names and fresh:
        yield ParamsError(
            "networks from ONNX files keep their trained weights",
            where=f"{key}.start",
            got=f"{', '.join(fresh)}, with {names} among the members",
            expected="networks: trained, embeddings: trained, and towers: trained or frozen",
            next_step=f"write these values, or leave {names} out of `members`",
        )


def without_second_phase(members: Members) -> Iterator[str]:
    """What doesn't learn in a phase in which the networks do."""
    fixed = [member.name for member in members.all if not isinstance(member, NetworkMember)]
    if fixed:
        yield f"{', '.join(fixed)}: not learning in the second phase; only networks can"
    partly = [member.name for member in members.networks if member.entry]
    if partly:
        yield f"{', '.join(partly)}: learning from the second layer on; the first is scored once"
