"""The count of every row, per source and in total: `in = kept + quarantined + dropped`, or nothing is published."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import ValidationError

from batch_jobs.prepare.samples import Change, smallest
from tunesmith.contracts.datasets import DropReason, ProblemCode, RowCounts, RowFormat, RowSums
from tunesmith.contracts.errors import RowsUnaccounted
from tunesmith.contracts.preparation import PiiType
from tunesmith.contracts.profiles import Step

if TYPE_CHECKING:
    from batch_jobs.prepare.scanning import Scanned


KEPT, QUARANTINED = "kept", "quarantined"


@dataclass
class Tally:
    """The rows of one source, counted as they come in and, apart from that, as they leave."""

    rows_in: int = 0
    kept: int = 0
    quarantined: int = 0
    dropped: Counter[DropReason] = field(default_factory=Counter)
    sum_in: int = 0
    sums_out: Counter[str] = field(default_factory=Counter)
    """kept, quarantined or a DropReason -> sum of the hashes of these rows, modulo 2^64."""

    def take(self, scanned: "Scanned") -> None:
        """What a scan has settled already: all but the rows that are good so far."""
        self.rows_in += scanned.rows_in
        self.quarantined += len(scanned.quarantined)
        if scanned.blank:
            self.dropped[DropReason.BLANK_LINE] += scanned.blank
            self.sums_out[DropReason.BLANK_LINE] += scanned.sums.blank
        self.sum_in += scanned.sums.rows_in
        self.sums_out[QUARANTINED] += scanned.sums.quarantined

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

    def sums(self, place: str) -> RowSums:
        """Raises RowsUnaccounted where a row that left is not the one that came in."""
        try:
            return RowSums(
                rows_in=_hex(self.sum_in),
                kept=_hex(self.sums_out[KEPT]),
                quarantined=_hex(self.sums_out[QUARANTINED]),
                dropped={reason: _hex(self.sums_out[reason]) for reason in DropReason if self.dropped[reason]},
            )
        except ValidationError as error:
            raise RowsUnaccounted(f"{place}: {error.errors()[0]['msg']}; nothing was published") from error


def _hex(value: int) -> str:
    return f"{value % 2**64:016x}"


@dataclass
class Ledger:
    """All tallies of one dataset version."""

    sources: dict[str, Tally] = field(default_factory=dict)
    formats: Counter[RowFormat] = field(default_factory=Counter)
    problems: Counter[ProblemCode] = field(default_factory=Counter)
    pii: Counter[PiiType] = field(default_factory=Counter)
    """What was found and redacted."""
    changed: Counter[Step] = field(default_factory=Counter)
    """Rows that each step changed."""
    changes: list[Change] = field(default_factory=list)
    """Samples of them."""
    rows_with_pii: int = 0
    characters: int = 0
    """Of the training split."""

    def take(self, scanned: "Scanned") -> None:
        self.formats += scanned.formats
        self.pii += scanned.pii
        self.changed += scanned.changed
        self.changes = smallest([*self.changes, *scanned.changes])
        self.problems.update(row.problem.code for row in scanned.quarantined)

    def tally(self, uri: str) -> Tally:
        return self.sources.setdefault(uri, Tally())

    def by_source(self) -> dict[str, RowCounts]:
        return {uri: tally.counts(uri) for uri, tally in self.sources.items()}

    def sums_by_source(self) -> dict[str, RowSums]:
        return {uri: tally.sums(uri) for uri, tally in self.sources.items()}

    def total(self) -> RowCounts:
        total = Tally()
        for tally in self.sources.values():
            total.rows_in += tally.rows_in
            total.kept += tally.kept
            total.quarantined += tally.quarantined
            total.dropped += tally.dropped
        return total.counts("all sources together")
