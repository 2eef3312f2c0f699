"""What a report page says about its dataset."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetFacts:
    """Facts about one dataset, as its schema.json tells them.

    ``tasks`` are in the order of the predictions' columns; ``rows`` and ``positive_rates`` are
    keyed by split ("train", "validation", "test"), in the order to print, and the latter by task.
    ``source`` and ``licence`` are sentences or links in markdown.
    """

    name: str
    title: str
    tasks: tuple[str, ...]
    rows: Mapping[str, int]
    positive_rates: Mapping[str, Mapping[str, float]]
    source: str
    licence: str
