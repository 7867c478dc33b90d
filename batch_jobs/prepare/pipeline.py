"""From uploaded files to the files of a dataset version, in two passes over bounded memory.

    files -> blocks -> [scan: check, clean, measure, sign]  -> spool of rows + facts of each row
             facts  -> decide: duplicates, held-out splits, balance
             spool  -> [write: kept rows as Parquet parts]

What stands in brackets runs on all cores. Any machine and any number of threads gives the same bytes.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batch_jobs.harness.main import JobContext
from batch_jobs.prepare.columns import RowColumns
from batch_jobs.prepare.deciding import KEPT, REASONS, Decisions, FrozenRows, decide
from batch_jobs.prepare.deduplicating.signatures import Template
from batch_jobs.prepare.facts import FactsLog, RowFacts
from batch_jobs.prepare.frozen import Frozen
from batch_jobs.prepare.ledger import Ledger
from batch_jobs.prepare.line_blocks import read_blocks
from batch_jobs.prepare.quarantine import QUARANTINE
from batch_jobs.prepare.scanning import FileScan, Scanned, Scanner
from batch_jobs.prepare.spool import Spool
from batch_jobs.prepare.threads import Workers
from batch_jobs.prepare.writing import plan_parts, write_part
from tunesmith.contracts.datasets import KIND_OF, DatasetKind, RowFormat, Source, SourceKind, Split
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.jobs import PrepareParams
from tunesmith.contracts.recipes import PrepareRecipe


@dataclass(frozen=True, slots=True)
class Prepared:
    """What lies in the folder, and how it came about."""

    ledger: Ledger
    kind: DatasetKind
    files: dict[Split, list[str]]
    rows: dict[Split, int]


@dataclass(slots=True)
class Scans:
    """The first pass over all sources."""

    spool: Spool
    facts: RowFacts
    signed: NDArray[np.uint16]
    lengths: list[int]
    """Rows of each batch of the spool."""
    templates: list[Template]
    """One of each source that has rows."""
    languages: list[str]


def prepare_files(params: PrepareParams, frozen: Frozen, folder: Path, context: JobContext) -> Prepared:
    """Make the Parquet files and the quarantine in `folder`."""
    ledger, sources = Ledger(), in_order(params.sources)
    with Workers() as workers:
        scans = _scan_all(params, sources, frozen, ledger, folder, context, workers)
        feedback = np.array([source.kind is SourceKind.FEEDBACK for source in sources])
        decided = decide(
            scans.facts,
            scans.signed,
            params.recipe,
            feedback,
            FrozenRows(frozen.prompts, frozen.signed(scans.templates)),
            workers.run,
        )
        context.check_interrupted()
        _settle(ledger, sources, scans.facts, decided)
        kind = _kind(ledger)
        return _write_all(params.recipe, sources, scans, decided, kind, ledger, folder, context, workers)


def in_order(sources: Sequence[Source]) -> list[Source]:
    """The same whatever order they are named in; uploads first, so that feedback is the duplicate."""
    return sorted(sources, key=lambda source: (source.kind == SourceKind.FEEDBACK, source.source_id))


def _scan_all(
    params: PrepareParams,
    sources: Sequence[Source],
    frozen: Frozen,
    ledger: Ledger,
    folder: Path,
    context: JobContext,
    workers: Workers,
) -> Scans:
    scratch = context.workdir / "spool"
    scratch.mkdir()
    spool, facts, lengths = Spool(scratch), FactsLog(scratch), []
    scanner = Scanner(params.recipe, frozen.prompts)
    templates: list[Template] = []
    with (folder / QUARANTINE).open("w", encoding="utf-8") as quarantine:
        for index, source in enumerate(sources):
            tally = ledger.tally(source.uri)
            for scanned in _scan_source(index, source, scanner, params.recipe, templates, context, workers):
                tally.take(scanned)
                ledger.take(scanned)
                quarantine.writelines(row.line(source.uri) for row in scanned.quarantined)
                spool.add(scanned.batch)
                facts.add(scanned.facts, scanned.signed)
                lengths.append(len(scanned.batch))
    return Scans(spool, *facts.close(), lengths, templates, scanner.languages)


def _scan_source(
    index: int,
    source: Source,
    scanner: Scanner,
    recipe: PrepareRecipe,
    templates: list[Template],
    context: JobContext,
    workers: Workers,
) -> Iterator[Scanned]:
    name = source.uri.rpartition("/")[2]
    file = context.storage.download(source.uri, context.workdir / source.source_id / name, version_id=_version(source))
    size = max(file.stat().st_size, 1)
    blocks = read_blocks(file, source.uri, recipe)
    first = next(blocks, None)
    if first is not None:
        shared: FileScan = scanner.begin(index, source.uri, first)
        templates.append(shared.template)
        yield from _watched(
            workers.map(lambda block: scanner.scan(shared, block), _chain(first, blocks)), size, name, context
        )
    context.progress(size, size, "bytes", note=name)
    file.unlink()


def _chain(first: object, others: Iterator) -> Iterator:
    yield first
    yield from others


def _watched(scans: Iterator[Scanned], size: int, name: str, context: JobContext) -> Iterator[Scanned]:
    for scanned in scans:
        context.check_interrupted()
        context.progress(min(scanned.consumed, size - 1), size, "bytes", note=name)
        yield scanned


def _settle(ledger: Ledger, sources: Sequence[Source], facts: RowFacts, decided: Decisions) -> None:
    """Count, per source, what became of each row."""
    fates = np.zeros((len(sources), len(REASONS) + 1), np.int64)
    np.add.at(fates, (facts.source, decided.fate), 1)
    for source, counts in zip(sources, fates.tolist(), strict=True):
        tally = ledger.tally(source.uri)
        tally.kept += counts[KEPT]
        tally.dropped.update({reason: count for reason, count in zip(REASONS, counts[1:], strict=True) if count})
    trained = decided.kept & (decided.split == list(Split).index(Split.TRAIN))
    ledger.characters = int(facts.characters[trained].sum())


def _kind(ledger: Ledger) -> DatasetKind:
    kinds = {KIND_OF[name] for name in ledger.formats}
    if len(kinds) > 1:
        found = ", ".join(f"{count} rows of {name}" for name, count in _by_kind(ledger.formats).items())
        raise InvalidInput(
            f"the files hold rows of several kinds: {found}; a dataset has one kind: upload them as several datasets"
        )
    return kinds.pop() if kinds else DatasetKind.CHAT


def _by_kind(formats: Counter[RowFormat]) -> Counter[DatasetKind]:
    kinds: Counter[DatasetKind] = Counter()
    for name, count in formats.items():
        kinds[KIND_OF[name]] += count
    return kinds


def _write_all(
    recipe: PrepareRecipe,
    sources: Sequence[Source],
    scans: Scans,
    decided: Decisions,
    kind: DatasetKind,
    ledger: Ledger,
    folder: Path,
    context: JobContext,
    workers: Workers,
) -> Prepared:
    split_of_rows = np.where(decided.kept, decided.split, -1).astype(np.int8)
    parts = plan_parts(split_of_rows, scans.facts.size, scans.lengths)
    columns = RowColumns(scans.facts, [source.uri for source in sources], scans.languages, recipe.quality.measure)
    done = workers.map(lambda part: write_part(part, scans.spool.__getitem__, columns, kind, folder / part.name), parts)
    for count, _ in enumerate(done, 1):
        context.check_interrupted()
        context.progress(count, len(parts), "files", note="writing")
    files = {split: [part.name for part in parts if part.split == split] for split in Split}
    rows = {split: sum(part.rows for part in parts if part.split == split) for split in Split}
    return Prepared(ledger, kind, files, rows)


def _version(source: Source) -> str | None:
    """Local files have no versions."""
    return source.version_id if source.uri.startswith("s3://") else None
