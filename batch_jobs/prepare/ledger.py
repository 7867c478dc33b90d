"""The count of every row, per source and in total: `in = kept + quarantined + dropped`, or nothing is published."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import ValidationError

from tunesmith.contracts.datasets import DropReason, ProblemCode, RowCounts, RowFormat
from tunesmith.contracts.errors import RowsUnaccounted
from tunesmith.contracts.preparation import PiiType

if TYPE_CHECKING:
    from batch_jobs.prepare.scanning import Scanned


@dataclass
class Tally:
    """The rows of one source, counted as they come in and, apart from that, as they leave."""

    rows_in: int = 0
    kept: int = 0
    quarantined: int = 0
    dropped: Counter[DropReason] = field(default_factory=Counter)

    def take(self, scanned: "Scanned") -> None:
        """What a scan has settled already: all but the rows that are good so far."""
        self.rows_in += scanned.rows_in
        self.quarantined += len(scanned.quarantined)
        if scanned.blank:
            self.dropped[DropReason.BLANK_LINE] += scanned.blank

    def counts(self, place: str) -> RowCounts:
        """Raises RowsUnaccounted where a row came in and did not leave."""
        try:
            return RowCounts(
                rows_in=self.rows_in,
                kept=self.kept,
                quarantined=self.quarantined,
                dropped={reason: self.dropped[reason] for reason in DropReason if self.dropped[reason]},
            )
        except ValidationError as error:
            raise RowsUnaccounted(f"{place}: {error.errors()[0]['msg']}; nothing was published") from error


@dataclass
class Ledger:
    """All tallies of one dataset version."""

    sources: dict[str, Tally] = field(default_factory=dict)
    formats: Counter[RowFormat] = field(default_factory=Counter)
    problems: Counter[ProblemCode] = field(default_factory=Counter)
    pii: Counter[PiiType] = field(default_factory=Counter)
    """What was found and redacted."""
    characters: int = 0
    """Of the training split."""

    def take(self, scanned: "Scanned") -> None:
        self.formats += scanned.formats
        self.pii += scanned.pii
        self.problems.update(row.problem.code for row in scanned.quarantined)

    def tally(self, uri: str) -> Tally:
        return self.sources.setdefault(uri, Tally())

    def by_source(self) -> dict[str, RowCounts]:
        return {uri: tally.counts(uri) for uri, tally in self.sources.items()}

    def total(self) -> RowCounts:
        total = Tally()
        for tally in self.sources.values():
            total.rows_in += tally.rows_in
            total.kept += tally.kept
            total.quarantined += tally.quarantined
            total.dropped += tally.dropped
        return total.counts("all sources together")
