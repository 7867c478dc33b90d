"""The engine of a cluster: Daft runs the scans, brings the bands together and writes the parts, on Ray.

What machines share lies in a folder that all of them reach (`scratch`): of each piece its rows, signatures and facts.
Daft moves the numbers of pieces and parts, and the bands of signatures, which it groups so that all rows of one band
meet on one worker. The bytes that come out are those of one machine.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import daft
import numpy as np

from batch_jobs.harness.main import JobContext
from batch_jobs.prepare.batches import RowBatch, join
from batch_jobs.prepare.cluster.bands import band_of, cut_bands, meet_band
from batch_jobs.prepare.cluster.outcomes import Told, read_told, write_told
from batch_jobs.prepare.cluster.pieces import PIECE_BYTES, Piece, fetch_head, fetch_piece, pieces_of
from batch_jobs.prepare.columns import RowColumns
from batch_jobs.prepare.deduplicating.groups import Members, bands_for, components
from batch_jobs.prepare.deduplicating.signatures import PLACES, Signatures, Template
from batch_jobs.prepare.engine import Suite, pinned_version
from batch_jobs.prepare.facts import NO_FACTS, RowFacts, join_facts
from batch_jobs.prepare.flat_rows import read_rows, write_rows
from batch_jobs.prepare.reading.files import check_size, read_blocks, read_lines
from batch_jobs.prepare.scanning import FileScan, Scanner
from batch_jobs.prepare.threads import Workers
from batch_jobs.prepare.writing import Part, write_part
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.datasets import DatasetKind, Source

INTEGER, BINARY, TEXT = daft.DataType.int64(), daft.DataType.binary(), daft.DataType.string()


@dataclass(frozen=True)
class Shared:
    """What every worker is given."""

    scratch: str
    """URI of a folder that all machines reach; ends in a slash."""
    sources: list[Source]
    scanner: Scanner

    def of(self, piece: int, what: str) -> str:
        return f"{self.scratch}{piece:06d}.{what}"


class Cluster(AbstractContextManager["Cluster"]):
    """Runs wherever Daft does: on Ray after `daft.set_runner_ray`, else in this process."""

    def __init__(self, shared: Shared, context: JobContext, piece_bytes: int = PIECE_BYTES):
        self.lengths: list[int] = []
        self._shared, self._context, self._piece_bytes = shared, context, piece_bytes
        self._lines_before: list[int] = []
        self._templates: list[Template] = []
        self._facts: list[RowFacts] = []

    def __exit__(self, *_: object) -> None:
        """Nothing is open; the scratch folder is emptied by its bucket's lifecycle rule."""

    def scan(self, index: int, source: Source) -> Iterator[Told]:
        size = self._context.storage.size(source.uri, pinned_version(source))
        check_size(size, source.uri, self._shared.scanner.recipe)
        pieces = list(pieces_of(self._context.storage, index, source, size, self._piece_bytes))
        file = self._begin(index, source) if len(pieces) > 1 else None
        first, shared, lines = len(self.lengths), self._shared, 0
        _each(
            range(first, first + len(pieces)),
            lambda number: scan_piece(shared, file, pieces[number - first], number),
            INTEGER,
        )
        for number in range(first, first + len(pieces)):
            self._context.check_interrupted()
            told = read_told(self._context.storage, shared.of(number, "told")).moved(lines)
            self._lines_before.append(lines)
            lines += told.rows_in
            self.lengths.append(len(told.facts))
            self._facts.append(told.facts)
            self._templates += [told.template] if told.template else []
            self._context.progress(number - first + 1, len(pieces), "pieces", note=source.uri.rpartition("/")[2])
            yield told
        self._templates += [file.template] if file else []

    def facts(self) -> RowFacts:
        return join_facts([NO_FACTS, *self._facts])

    def read(self, batch: int) -> RowBatch:
        return fetch_rows(self._shared, batch, self._lines_before[batch], self._context.workdir)

    def suite_rows(self, suite: Suite) -> int:
        return len(suite.signed(self._templates))

    def groups(self, suite: Suite, rows: Members, threshold: float) -> Members:
        signed = suite.signed(self._templates)
        chosen = np.concatenate([np.arange(len(signed)), rows + len(signed)])
        starts = [*(np.cumsum([0, *self.lengths])[:-1] + len(signed)).tolist(), 0]
        self._context.storage.write(self._shared.of(len(self.lengths), "signatures"), signed.tobytes())
        found = _edges(self._shared, starts, chosen, threshold)
        edges = np.concatenate(
            [np.empty((0, 2), np.int64), *(np.frombuffer(e, np.int64).reshape(-1, 2) for e in found)]
        )
        return chosen[components(len(chosen), np.searchsorted(chosen, edges))]

    def write(self, parts: Sequence[Part], columns: RowColumns, kind: DatasetKind, folder: Path) -> None:
        shared, before = self._shared, self._lines_before
        _each(range(len(parts)), lambda number: write_piece(shared, parts[number], before, columns, kind), TEXT)
        for count, part in enumerate(parts, 1):
            self._context.check_interrupted()
            self._context.storage.download(shared.scratch + part.name, folder / part.name)
            self._context.progress(count, len(parts), "files", note="writing")

    def _begin(self, index: int, source: Source) -> FileScan:
        """What the pieces of a file share, told by its beginning."""
        with tempfile.TemporaryDirectory() as folder:
            file = fetch_head(self._context.storage, source, Path(folder))
            first = next(read_blocks(file, source.uri, self._shared.scanner.recipe))
            return self._shared.scanner.begin(index, source.uri, first)


def scan_piece(shared: Shared, file: FileScan | None, piece: Piece, number: int) -> int:
    """Scan one piece and leave in the scratch folder what becomes of it; the number of its good rows."""
    storage, source, recipe = Storage(), shared.sources[piece.source], shared.scanner.recipe
    with tempfile.TemporaryDirectory() as folder, Workers() as workers:
        lines, begins = fetch_piece(storage, source, piece, recipe.max_line_bytes, Path(folder))
        blocks = (read_blocks if piece.end is None else read_lines)(lines, source.uri, recipe)
        first = next(blocks, None)
        template = None
        if file is None and first is not None:
            file = shared.scanner.begin(piece.source, source.uri, first)
            template = file.template
        scans = [] if first is None else workers.run(lambda block: shared.scanner.scan(file, block), [first, *blocks])
        told = Told.of(scans, begins, template)
        rows = Path(folder) / "rows"
        write_rows(join([scan.batch for scan in scans]) if scans else RowBatch.of([], []), rows)
        storage.upload(rows, shared.of(number, "rows"))
        signed = [np.empty((0, PLACES), np.uint16), *(scan.signed for scan in scans)]
        storage.write(shared.of(number, "signatures"), np.concatenate(signed).tobytes())
        write_told(storage, shared.of(number, "told"), told)
        return len(told.facts)


def write_piece(shared: Shared, part: Part, before: Sequence[int], columns: RowColumns, kind: DatasetKind) -> str:
    """Write one part of the second pass into the scratch folder."""
    storage = Storage()
    with tempfile.TemporaryDirectory() as folder:
        write_part(
            part, lambda n: fetch_rows(shared, n, before[n], Path(folder)), columns, kind, Path(folder) / part.name
        )
        storage.upload(Path(folder) / part.name, shared.scratch + part.name)
    return part.name


def fetch_rows(shared: Shared, number: int, lines_before: int, folder: Path) -> RowBatch:
    """The rows of one piece, with line numbers of the whole file."""
    rows = folder / f"{number}.rows"
    if not rows.exists():
        Storage().download(shared.of(number, "rows"), rows)
    batch = read_rows(rows)
    batch.line += lines_before
    return batch


def _each(numbers: range, work: Callable[[int], Any], answers: daft.DataType) -> None:
    """One task for each number."""
    _tasks(numbers).select(daft.func(work, return_dtype=answers)(daft.col("number")).alias("done")).collect()


def _edges(shared: Shared, starts: list[int], chosen: Members, threshold: float) -> list[bytes]:
    """Edges of all bands; piece p's rows are numbered from starts[p]."""
    bands = bands_for(threshold)

    def cut(number: int) -> list[bytes]:
        signed = _signatures(shared, number)
        here = chosen[np.searchsorted(chosen, starts[number]) : np.searchsorted(chosen, starts[number] + len(signed))]
        return cut_bands(signed[here - starts[number]], here, bands)

    blobs = _tasks(range(len(starts))).select(
        daft.func(cut, return_dtype=daft.DataType.list(BINARY))(daft.col("number")).alias("blob")
    )
    keyed = blobs.explode("blob").with_column("band", daft.func(band_of, return_dtype=INTEGER)(daft.col("blob")))
    met = keyed.groupby("band").agg(daft.col("blob").list_agg().alias("blobs"))

    def meet(found: list[bytes]) -> bytes:
        return meet_band(found, threshold)

    edges = met.select(daft.func(meet, return_dtype=BINARY)(daft.col("blobs")).alias("edges"))
    return list(edges.to_pydict()["edges"])


def _signatures(shared: Shared, number: int) -> Signatures:
    return np.frombuffer(Storage().read(shared.of(number, "signatures")), np.uint16).reshape(-1, PLACES)


def _tasks(numbers: range) -> daft.DataFrame:
    frame = daft.from_pydict({"number": list(numbers)})
    return frame.into_partitions(len(numbers)) if daft.get_or_infer_runner_type() == "ray" else frame
