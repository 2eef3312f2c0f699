"""Rejected lines of raw files: how many, which, and why."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from emm.core.errors import DataError
from emm.core.files import atomic_file
from emm.core.progress import say

MAX_TEXT = 200  # characters recorded of a line
MAX_RECORDS = 100_000  # lines recorded; further ones are only counted
MAX_UNLABELLED = 1000  # of these, lines without any label


class Rejected:
    """Counts the lines that were read of a dataset, and records those that were rejected.

    `check` raises an error if the share of rejected lines exceeds ``max_share``.
    """

    def __init__(self, dataset: str, max_share: float) -> None:
        self.dataset = dataset
        self.max_share = max_share
        self.lines = 0
        self.count = 0
        self.unlabelled = 0
        self._fault: tuple[str, str] | None = None
        self._records: list[dict[str, Any]] = []

    def seen(self, rows: int) -> None:
        """Count lines that were read, good or bad."""
        self.lines += rows

    def add(
        self,
        file: str,
        lines: pl.Series | Sequence[int],
        reason: pl.Series | str,
        texts: pl.Series | None = None,
    ) -> None:
        """Reject lines of a file.

        Args:
            lines: line numbers, from 1.
            reason: one reason for all lines, or one for each.
            texts: content of the lines.
        """
        self.count += len(lines)
        if self._fault is None and len(lines):
            why = reason if isinstance(reason, str) else reason[0]
            self._fault = f"{self.dataset}: {why}", f"{file}, line {lines[0]}"
        self._record(file, lines, reason, texts)

    def _record(
        self,
        file: str,
        lines: pl.Series | Sequence[int],
        reason: pl.Series | str,
        texts: pl.Series | None,
    ) -> None:
        room = MAX_RECORDS - len(self._records)
        numbers = list(lines)[:room]
        reasons = [reason] * len(numbers) if isinstance(reason, str) else reason.to_list()
        shown = [None] * len(numbers) if texts is None else texts.str.slice(0, MAX_TEXT).to_list()
        for line, why, text in zip(numbers, reasons, shown, strict=False):
            self._records.append({"file": file, "line": line, "reason": why, "text": text})

    def add_unlabelled(self, file: str, lines: pl.Series, texts: pl.Series) -> None:
        """Leave out good lines without any label, which don't count towards ``max_share``."""
        room = max(MAX_UNLABELLED - self.unlabelled, 0)
        self.unlabelled += len(lines)
        self._record(file, lines.head(room), "no task has a label", texts.head(room))

    def write(self, path: Path) -> None:
        """Write the records as JSON Lines."""
        with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(each, ensure_ascii=False) + "\n" for each in self._records)

    def check(self, path: Path) -> None:
        """Report the number of rejected lines; raise DataError if it exceeds ``max_share``.

        ``path``: where the records were written, for the message.
        """
        if self.unlabelled:
            counts = f"{self.unlabelled:,} of {self.lines:,} lines"
            say(f"{self.dataset}: left out {counts}, which have no label of any task: see {path}")
        if self._fault is None:
            return
        what, where = self._fault
        share = self.count / max(self.lines, 1)
        if share > self.max_share:
            raise DataError(
                what,
                where=where,
                got=f"{self.count:,} of {self.lines:,} lines can't be used ({share:.2%})",
                expected=f"at most {self.max_share:.2%} (preprocess.max_rejected)",
                next_step=f"look at {path}, check the raw file, then `dvc repro`",
            )
        say(f"{self.dataset}: rejected {self.count:,} of {self.lines:,} lines: see {path}")
