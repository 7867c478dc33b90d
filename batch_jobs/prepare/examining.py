"""Files, block by block: what is good, what is bad and why, and the count of all.

What is remembered of the rows: 16 bytes of each (its fingerprint), for preferences 33 more, and as many problems as are
listed. Blocks are checked by threads, a few at a time.
"""

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np

from batch_jobs.prepare.batches import FORMATS, RowBatch
from batch_jobs.prepare.canonical import Row
from batch_jobs.prepare.checking.files import FileChecks
from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.checking.swaps import Swaps
from batch_jobs.prepare.cleaning.unicode import normalise
from batch_jobs.prepare.deduplicating.fingerprints import Hashes, fingerprints
from batch_jobs.prepare.deduplicating.groups import first_equal
from batch_jobs.prepare.quarantine import Quarantined
from batch_jobs.prepare.reading.blocks import Block
from batch_jobs.prepare.reading.file_types import TypeMismatch
from batch_jobs.prepare.reading.files import read_blocks
from batch_jobs.prepare.scanning import rows_of
from batch_jobs.prepare.threads import Workers
from tunesmith.contracts.checks import CheckedFile, DatasetCheck, FoundProblem
from tunesmith.contracts.datasets import (
    KIND_OF,
    DatasetKind,
    DropReason,
    ProblemCode,
    RowFormat,
    Severity,
    SwapEstimate,
)
from tunesmith.contracts.errors import PlatformError
from tunesmith.contracts.recipes import PrepareRecipe

FIRST_PLACES = 3
"""Of each code so many problems are listed, even beyond the limit."""
_IS_PAIR = np.array([KIND_OF[name] is DatasetKind.PREFERENCE for name in FORMATS])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands."""

    line: int
    offset: int


@dataclass(frozen=True, slots=True)
class Checked:
    """A block and what the checks say of it."""

    block: Block
    batch: RowBatch
    """The good rows."""
    quarantined: list[Quarantined]
    prints: Hashes | None
    """The good rows' fingerprints after cleaning; None where duplicates stay."""

    def place(self, index: int) -> Place:
        """Where a good row stands."""
        row = np.searchsorted(self.block.numbers, self.batch.line[index])
        lines = self.block.numbers if self.block.lines is None else self.block.lines
        return Place(int(lines[row]), int(self.block.offsets[row]))


@dataclass(slots=True)
class Examined:
    """One file, while its rows go by."""

    uri: str
    format: RowFormat | None = None
    rows_in: int = 0
    blank: int = 0
    bad: int = 0
    good: int = 0
    duplicates: int = 0
    error: str | None = None
    refusal: ProblemCode = ProblemCode.UNREADABLE
    """What kind of error it is."""

    def problem(self) -> FoundProblem:
        """The error as a problem of the whole file."""
        bad = BadRow(self.refusal, self.error or "")
        told = bad.at(self.uri, line=1, offset=0).model_dump()
        return FoundProblem(file=told.pop("source"), **told)

    def told(self) -> CheckedFile:
        """Raises ValidationError where a row came in and did not leave."""
        dropped = {DropReason.BLANK_LINE: self.blank, DropReason.EXACT_DUPLICATE: self.duplicates}
        return CheckedFile(
            file=self.uri,
            format=self.format,
            error=self.error,
            rows_in=self.rows_in,
            kept=self.good - self.duplicates,
            quarantined=self.bad,
            dropped={reason: count for reason, count in dropped.items() if count},
        )


@dataclass(slots=True)
class Problems:
    """All are counted; the first `limit` are listed, and the first few of every code."""

    limit: int
    listed: list[FoundProblem] = field(default_factory=list)
    by_code: Counter[ProblemCode] = field(default_factory=Counter)
    by_severity: Counter[Severity] = field(default_factory=Counter)

    def add(self, bad: BadRow, uri: str, place: Place, severity: Severity = Severity.ERROR) -> None:
        self.by_code[bad.code] += 1
        self.by_severity[severity] += 1
        if len(self.listed) < self.limit or self.by_code[bad.code] <= FIRST_PLACES:
            told = bad.at(uri, place.line, place.offset, severity).model_dump()
            self.listed.append(FoundProblem(file=told.pop("source"), **told))


class Examination:
    """Takes files one after the other; `told` is the document about all of them."""

    def __init__(self, recipe: PrepareRecipe, limit: int, drops_duplicates: bool = True):
        self.problems = Problems(limit)
        self.recipe = recipe
        self._files: list[Examined] = []
        self._formats: Counter[RowFormat] = Counter()
        self._drops_duplicates = drops_duplicates and recipe.deduplicate.exact
        self._prints: list[Hashes] = []
        self._pairs = Pairs()

    def take(self, file: Path, uri: str, workers: Workers) -> Iterator[Checked]:
        """Every block of a file with its good rows, in order. They are counted already.

        A file that is refused, or breaks off, is told of in the document and ends here.
        """
        examined = Examined(uri)
        self._files.append(examined)
        blocks = self._read(file, examined)
        first = next(blocks, None)
        if first is None:
            return
        checks = FileChecks.of(first, uri, self.recipe)
        examined.format = checks.format_of_file.format
        for checked in workers.map(lambda block: self._check(block, checks), chain((first,), blocks)):
            self._count(checked, examined)
            yield checked

    def _read(self, file: Path, examined: Examined) -> Iterator[Block]:
        """The blocks that can be read; what comes before the place where a file breaks off is checked all the same."""
        try:
            yield from read_blocks(file, examined.uri, self.recipe)
        except OSError as error:
            examined.error = f"{examined.uri}: cannot be read ({error.strerror or error})"
        except TypeMismatch as error:
            examined.error, examined.refusal = str(error), ProblemCode.TYPE_MISMATCH
        except PlatformError as error:
            examined.error = str(error)

    def refuse(self, row: Row, place: Place, bad: BadRow) -> None:
        """Count a good row of the file that was taken last as bad after all."""
        examined = self._files[-1]
        self._formats[row.format] -= 1
        examined.good -= 1
        examined.bad += 1
        self.problems.add(bad, examined.uri, place)

    def fail(self, uri: str, reason: str) -> None:
        """Tell of a file that could not even be opened."""
        self._files.append(Examined(uri, error=reason))

    def _check(self, block: Block, checks: FileChecks) -> Checked:
        """Called from many threads."""
        batch, quarantined = rows_of(block, checks)
        prints = None
        if self._drops_duplicates:
            cleaned, _ = normalise(batch.texts, self.recipe.normalise)
            prints = fingerprints(replace(batch, texts=cleaned)).row
        return Checked(block, batch, quarantined, prints)

    def _count(self, checked: Checked, examined: Examined) -> None:
        block, batch = checked.block, checked.batch
        examined.rows_in += block.rows
        examined.bad += len(checked.quarantined)
        examined.good += len(batch)
        examined.blank += block.rows - len(batch) - len(checked.quarantined)
        for row in checked.quarantined:
            self.problems.add(row.problem, examined.uri, Place(row.place, row.offset))
        counts = np.bincount(batch.format, minlength=len(FORMATS)).tolist()
        self._formats.update({name: count for name, count in zip(FORMATS, counts, strict=True) if count})
        if checked.prints is not None:
            self._prints.append(checked.prints)
        for index in np.flatnonzero(_IS_PAIR[batch.format]).tolist():
            self._pairs.add(batch.row(index), len(self._files) - 1, checked.place(index))

    def told(self) -> DatasetCheck:
        self._count_duplicates()
        swaps = self._pairs.warn(self._files, self.problems)
        files = [examined.told() for examined in self._files]
        dropped: Counter[DropReason] = Counter()
        for examined in files:
            dropped.update(examined.dropped)
        refused = [examined.problem() for examined in self._files if examined.error is not None]
        error = _several_kinds(+self._formats)
        if not refused and not self.problems.by_severity[Severity.ERROR]:
            error = error or _no_rows(files)
        codes = Counter(problem.code for problem in refused) + self.problems.by_code
        return DatasetCheck(
            rows_in=sum(examined.rows_in for examined in files),
            kept=sum(examined.kept for examined in files),
            quarantined=sum(examined.quarantined for examined in files),
            dropped=dict(dropped),
            files=files,
            kind=KIND_OF[next(iter(+self._formats))] if +self._formats and not error else None,
            error=error,
            formats=dict(+self._formats),
            errors=self.problems.by_severity[Severity.ERROR] + len(refused) + (error is not None),
            warnings=self.problems.by_severity[Severity.WARNING],
            problems_by_code=dict(codes.most_common()),
            problems=refused + self.problems.listed,
            swaps=swaps,
        )

    def _count_duplicates(self) -> None:
        if not self._prints:
            return
        first = first_equal(np.concatenate(self._prints))
        is_duplicate = first != np.arange(len(first))
        start = 0
        for examined in self._files:
            examined.duplicates = int(is_duplicate[start : start + examined.good].sum())
            start += examined.good


def _several_kinds(formats: Counter[RowFormat]) -> str | None:
    """Why files cannot be one dataset, or None."""
    kinds: Counter[DatasetKind] = Counter()
    for name, count in formats.items():
        kinds[KIND_OF[name]] += count
    if len(kinds) < 2:
        return None
    found = ", ".join(f"{count} rows of {kind}" for kind, count in kinds.items())
    return f"the files hold rows of several kinds: {found}; a dataset has one kind: upload them as several datasets"


def _no_rows(files: list[CheckedFile]) -> str | None:
    """Why there is nothing to train on though nothing is wrong, or None."""
    if any(file.kept for file in files):
        return None
    rows = sum(file.rows_in for file in files)
    return (
        f"there are no rows: {rows} blank lines and nothing else" if rows else "there are no rows: nothing but a frame"
    )


class Pairs:
    """The preferences of all files, and where they stand."""

    def __init__(self) -> None:
        self._swaps = Swaps()
        self._files, self._lines, self._offsets = array("L"), array("Q"), array("Q")

    def add(self, row: Row, file: int, place: Place) -> None:
        self._swaps.add(row)
        self._files.append(file)
        self._lines.append(place.line)
        self._offsets.append(place.offset)

    def warn(self, files: list[Examined], problems: Problems) -> SwapEstimate | None:
        """Warn of every pair that contradicts an earlier one."""
        if not len(self._swaps):
            return None
        contradicting, earlier, swaps = self._swaps.find()
        for pair, first in zip(contradicting.tolist(), earlier.tolist(), strict=True):
            message = (
                f"{files[self._files[first]].uri}, line {self._lines[first]}, prefers the other one of the two answers"
            )
            bad = BadRow(ProblemCode.SWAPPED_PAIR, message, field="chosen")
            place = Place(self._lines[pair], self._offsets[pair])
            problems.add(bad, files[self._files[pair]].uri, place, Severity.WARNING)
        return swaps
