"""Where the units of rows are predicted: here, or by workers elsewhere."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from emm.predict.model import Logits, RowModel
from emm.predict.units import Part


class Engine(Protocol):
    """Computes the logits of rows, unit by unit."""

    def predicted(self, parts: Iterable[Part]) -> Iterator[tuple[Part, Logits]]:
        """Yield each part with the logits [N, O] of its good rows, in order.

        Only a few parts are taken ahead, so that memory stays bounded.
        """
        ...


@dataclass(frozen=True)
class Here:
    """In this process."""

    model: RowModel

    def predicted(self, parts: Iterable[Part]) -> Iterator[tuple[Part, Logits]]:
        """See `Engine`."""
        for part in parts:
            yield part, self.model.logits(part.features, part.raw)
