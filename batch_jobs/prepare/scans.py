"""Scans that are kept: a file that was scanned for one version of a dataset is not scanned again for the next.

A scan depends on the object version, on the steps of the recipe that scanning does, and on the code; these name its
folder. What depends on more (which turns may be learnt, beside which frozen test split) is worked out anew.

    <scans>/<digest>/000000.{rows,signatures,told}   one block each
    <scans>/<digest>/index.json                      how many blocks: written last
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from batch_jobs.prepare.cluster.outcomes import Told, read_told, write_told
from batch_jobs.prepare.compiling import SOURCES
from batch_jobs.prepare.deduplicating.signatures import PLACES, Template
from batch_jobs.prepare.flat_rows import read_rows, write_rows
from batch_jobs.prepare.scanning import Scanned, Scanner
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.datasets import Source
from tunesmith.contracts.identity import digest
from tunesmith.contracts.recipes import PrepareRecipe

AFTER_SCANNING = {
    "validation_fraction": ...,
    "test_fraction": ...,
    "seed": ...,
    "nodes": ...,
    "vcpus": ...,
    "memory_gib": ...,
    "min_rows": ...,
    "max_quarantined_fraction": ...,
    "max_duplicate_fraction": ...,
    "max_pii_fraction": ...,
    "deduplicate": ...,
    "balance": ...,
    "report": ...,
    "label": {"rules", "classifier", "min_confidence"},
    "decontaminate": {"near"},
}
"""Keys of the recipe that no scan depends on."""


class Scans:
    """The kept scans of a project's files."""

    def __init__(self, storage: Storage, folder_uri: str, recipe: PrepareRecipe, inputs: dict[str, str] | None = None):
        """`inputs` are digests of what the recipe only names: behind the names may be something else tomorrow."""
        self._storage, self._folder, self._inputs = storage, folder_uri, inputs or {}
        self._recipe = recipe.model_dump(mode="json", exclude=AFTER_SCANNING)

    def find(self, source: Source) -> int | None:
        """How many blocks the kept scan of this source has; None where there is none."""
        found = self._storage.read_if_there(self._uri(source, "index.json"))
        return json.loads(found)["blocks"] if found else None

    def read(self, source: Source, number: int, scanner: Scanner, index: int) -> tuple[Scanned, Template | None]:
        """One block as if it had just been scanned as the `index`-th source; of the first, the file's template too."""
        told = read_told(self._storage, self._uri(source, f"{number:06d}.told"))
        with tempfile.TemporaryDirectory() as folder:
            batch = read_rows(self._storage.download(self._uri(source, f"{number:06d}.rows"), Path(folder) / "rows"))
        signed = np.frombuffer(bytearray(self._storage.read(self._uri(source, f"{number:06d}.signatures"))), np.uint16)
        scanned = Scanned(
            batch,
            told.facts,
            signed.reshape(-1, PLACES),
            told.quarantined,
            told.rows_in,
            told.blank,
            told.sums,
            told.formats,
            told.pii,
            told.changed,
            told.changes,
        )
        scanner.adapt(scanned, index)
        return scanned, told.template

    def keeping(
        self, source: Source, scans: Iterator[Scanned], template: Callable[[], Template], check: Callable[[], None]
    ) -> Iterator[Scanned]:
        """The scans as they come, each kept; the index is written when all have come."""
        count = 0
        for scanned in scans:
            check()
            self._write(source, count, scanned, template() if count == 0 else None)
            count += 1
            yield scanned
        self._storage.write(self._uri(source, "index.json"), json.dumps({"blocks": count}), "application/json")

    def _write(self, source: Source, number: int, scanned: Scanned, template: Template | None) -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_rows(scanned.batch, Path(folder) / "rows")
            self._storage.upload(Path(folder) / "rows", self._uri(source, f"{number:06d}.rows"))
        self._storage.write(self._uri(source, f"{number:06d}.signatures"), scanned.signed.tobytes())
        write_told(self._storage, self._uri(source, f"{number:06d}.told"), Told.of([scanned], 0, template))

    def _uri(self, source: Source, name: str) -> str:
        identity: dict[str, Any] = {"recipe": self._recipe, "inputs": self._inputs, "code": SOURCES}
        identity["source"] = [source.source_id, source.sha256]  # a scan without a comparison is none of a claim
        return f"{self._folder}{digest(identity)}/{name}"
