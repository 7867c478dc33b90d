"""Where the passes run. The pipeline is one program; an engine gives it processors and a place for rows in between.

`OneMachine` is processes, threads and a spool. `cluster.distributed` is Daft on Ray: the same scans, bands and parts.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from batch_jobs.harness.main import JobContext
from batch_jobs.prepare.batches import RowBatch
from batch_jobs.prepare.columns import RowColumns
from batch_jobs.prepare.deduplicating.groups import Members, near_groups
from batch_jobs.prepare.deduplicating.signatures import Signatures, Template
from batch_jobs.prepare.facts import FactsLog, RowFacts
from batch_jobs.prepare.processes import ScanProcesses, may_fork
from batch_jobs.prepare.reading.blocks import Block
from batch_jobs.prepare.reading.files import check_size, read_blocks
from batch_jobs.prepare.reading.ranges import Range, has_ranges, line_ranges
from batch_jobs.prepare.scanning import FileScan, Scanned, Scanner
from batch_jobs.prepare.scans import Scans
from batch_jobs.prepare.spool import Spool
from batch_jobs.prepare.threads import Workers
from batch_jobs.prepare.writing import Part, write_part
from tunesmith.contracts.datasets import DatasetKind, Source
from tunesmith.contracts.recipes import PrepareRecipe


class Engine(Protocol):
    """One preparation. Use as a context manager."""

    lengths: list[int]
    """Rows of each batch that was scanned, in order: what parts are planned by."""

    def scan(self, index: int, source: Source) -> Iterator[Scanned]:
        """The first pass over one source; what it yields has no rows any more, but all that is said of them."""

    def facts(self) -> RowFacts:
        """Of all rows, once every source is scanned."""

    def suite_rows(self, suite: "Suite") -> int:
        """Rows of the suite that `groups` numbers before the dataset's: as often as there are files with rows."""

    def read(self, batch: int) -> RowBatch:
        """The rows of one batch."""

    def groups(self, suite: "Suite", rows: Members, threshold: float) -> Members:
        """Near duplicates among the suite's rows and the `rows` of the dataset; see `deciding.Near`."""

    def write(self, parts: Sequence[Part], columns: RowColumns, kind: DatasetKind, folder: Path) -> None:
        """The second pass: all parts, as files in the folder."""


class Suite(Protocol):
    """The frozen test split's rows, whose signatures depend on the files that they are compared with."""

    def signed(self, templates: Sequence[Template]) -> Signatures:
        """Its rows that can be compared, under each of the templates in turn."""


class OneMachine(AbstractContextManager["OneMachine"]):
    """All cores of this machine, in bounded memory."""

    def __init__(self, recipe: PrepareRecipe, scanner: Scanner, context: JobContext, scans: Scans | None = None):
        """`scans` are those that were kept of earlier versions; None keeps none."""
        self.lengths: list[int] = []
        self._recipe, self._scanner, self._context, self._scans = recipe, scanner, context, scans
        scratch = context.workdir / "spool"
        scratch.mkdir()
        self._workers, self._spool, self._log = Workers(), Spool(scratch), FactsLog(scratch)
        self._processes: ScanProcesses | None = None
        if self._workers.count > 1 and may_fork():
            self._processes = ScanProcesses(scanner, self._spool.corners(self._workers.count))
        self._templates: list[Template] = []
        self._signed: NDArray[np.uint16] | None = None

    def __exit__(self, *raised: object) -> None:
        self._end_processes()
        self._workers.__exit__(*raised)

    def _end_processes(self) -> None:
        if self._processes:
            self._processes.close()
            self._processes = None

    def scan(self, index: int, source: Source) -> Iterator[Scanned]:
        blocks = self._scans.find(source) if self._scans else None
        for scanned in self._new(index, source) if blocks is None else self._kept(index, source, blocks):
            self._context.check_interrupted()
            self._log.add(scanned.facts, scanned.signed)
            self.lengths.append(len(scanned.facts))
            yield scanned

    def _kept(self, index: int, source: Source, blocks: int) -> Iterator[Scanned]:
        """The scan of an earlier version."""
        scans, name = self._scans, source.uri.rpartition("/")[2]
        assert scans is not None
        read = self._workers.map(lambda number: scans.read(source, number, self._scanner, index), range(blocks))
        for number, (scanned, template) in enumerate(read, 1):
            self._templates += [template] if template else []
            self._spool.add(scanned.batch)
            self._context.progress(number, blocks, "blocks", note=f"{name}, scanned before")
            yield scanned

    def _new(self, index: int, source: Source) -> Iterator[Scanned]:
        name = source.uri.rpartition("/")[2]
        folder = self._context.workdir / source.source_id
        check_size(self._context.storage.size(source.uri, pinned_version(source)), source.uri, self._recipe)
        file = self._context.storage.fetch(source.uri, folder / name, source.sha256, pinned_version(source))
        size = max(file.stat().st_size, 1)
        scanning = self._scan_file(index, source, file)
        if self._scans:
            scanning = self._scans.keeping(
                source, scanning, lambda: self._templates[-1], self._context.check_interrupted
            )
        for scanned in scanning:
            self._context.progress(min(scanned.consumed, size - 1), size, "bytes", note=name)
            yield scanned
        self._context.progress(size, size, "bytes", note=name)
        if file.parent == folder:
            file.unlink()

    def facts(self) -> RowFacts:
        self._end_processes()
        facts, self._signed = self._log.close()
        return facts

    def read(self, batch: int) -> RowBatch:
        return self._spool[batch]

    def suite_rows(self, suite: Suite) -> int:
        return len(suite.signed(self._templates))

    def groups(self, suite: Suite, rows: Members, threshold: float) -> Members:
        assert self._signed is not None
        signed = suite.signed(self._templates)
        if not len(signed):
            return near_groups(self._signed, rows, threshold, self._workers.run)
        everything = np.concatenate([signed, self._signed])
        chosen = np.concatenate([np.arange(len(signed)), rows + len(signed)])
        return near_groups(everything, chosen, threshold, self._workers.run)

    def write(self, parts: Sequence[Part], columns: RowColumns, kind: DatasetKind, folder: Path) -> None:
        def write(part: Part) -> None:
            write_part(part, self.read, columns, kind, folder / part.name)

        for count, _ in enumerate(self._workers.map(write, parts), 1):
            self._context.check_interrupted()
            self._context.progress(count, len(parts), "files", note="writing")

    def _scan_file(self, index: int, source: Source, file: Path) -> Iterator[Scanned]:
        blocks = read_blocks(file, source.uri, self._recipe)
        first = next(blocks, None)
        if first is None:
            return
        shared = self._scanner.begin(index, source.uri, first)
        self._templates.append(shared.template)
        if self._processes is None:
            yield from self._scan_in_threads(shared, chain([first], blocks))
            return
        works: Iterable[Range | Block] = chain([first], blocks)
        if has_ranges(file, source.uri):
            works = line_ranges(file)
        for scanned, rows in self._processes.scan(shared, works, lambda: self._spool.has_room):
            self._spool.add_laid(rows)
            if self._scans:
                scanned.batch = self._spool[len(self._spool) - 1]
            yield scanned

    def _scan_in_threads(self, file: FileScan, blocks: Iterable[Block]) -> Iterator[Scanned]:
        for scanned in self._workers.map(lambda block: self._scanner.scan(file, block), blocks):
            self._spool.add(scanned.batch)
            yield scanned


def pinned_version(source: Source) -> str | None:
    """Local files have no versions."""
    return source.version_id if source.uri.startswith("s3://") else None
