"""Publish a dataset version: files first, manifest last. Where the manifest is, the version is whole."""

from collections import Counter
from pathlib import Path

from batch_jobs.harness.main import JobContext
from batch_jobs.prepare.documents import write_documents
from batch_jobs.prepare.pipeline import Prepared
from batch_jobs.prepare.quarantine import QUARANTINE
from batch_jobs.prepare.threads import Workers
from batch_jobs.prepare.warnings import write_warnings
from tunesmith.adapters.storage import Storage, file_entry
from tunesmith.contracts.datasets import DatasetManifest, Split, SplitEntry
from tunesmith.contracts.errors import IntegrityError
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import PrepareParams, PrepareResult
from tunesmith.contracts.preflight import Preflight

MANIFEST = "manifest.json"


def published_manifest(params: PrepareParams, storage: Storage) -> DatasetManifest | None:
    """The manifest of this dataset version if it was made before."""
    document = storage.read_if_there(params.output_uri + MANIFEST)
    if document is None:
        return None
    manifest = DatasetManifest.model_validate_json(document)
    if manifest.dataset_version != params.dataset_version:
        raise IntegrityError(
            f"{params.output_uri} holds dataset version {manifest.dataset_version}, asked for {params.dataset_version}"
        )
    return manifest


def publish(
    params: PrepareParams, prepared: Prepared, folder: Path, context: JobContext, preflight: Preflight | None = None
) -> DatasetManifest:
    """Upload all files, then the manifest; only the newest attempt may."""
    manifest = describe(params, prepared, folder)
    names = write_warnings(prepared.warnings, folder)
    if params.recipe.report.make:
        names += write_documents(manifest, params.recipe, prepared, folder, preflight=preflight)
    manifest = manifest.model_copy(update={"documents": [file_entry(folder, name) for name in names]})
    context.fence.check()
    files = [file for entry in manifest.splits.values() for file in entry.files] + [manifest.quarantine]
    files += manifest.documents
    context.storage.upload_folder(folder, params.output_uri, files)
    context.fence.check()
    context.storage.write(params.output_uri + MANIFEST, manifest.model_dump_json(indent=2), "application/json")
    return manifest


def result_of(params: PrepareParams, manifest: DatasetManifest, preflight: Preflight | None) -> PrepareResult:
    (test,) = manifest.splits[Split.TEST].files
    return PrepareResult(
        dataset_version=manifest.dataset_version,
        manifest_uri=params.output_uri + MANIFEST,
        kind=manifest.kind,
        content_digest=manifest.content_digest,
        counts=manifest.counts,
        splits={split: entry.rows for split, entry in manifest.splits.items()},
        test_uri=params.output_uri + test.path,
        test_digest=test.sha256,
        characters=manifest.characters,
        preflight=preflight,
    )


def describe(params: PrepareParams, prepared: Prepared, folder: Path) -> DatasetManifest:
    """What lies in the folder, without the documents."""
    ledger = prepared.ledger
    names = [QUARANTINE, *(name for split in Split for name in prepared.files[split])]
    with Workers() as workers:
        entries = dict(zip(names, workers.map(lambda name: file_entry(folder, name), names), strict=True))
    splits = {
        split: SplitEntry(rows=prepared.rows[split], files=[entries[name] for name in prepared.files[split]])
        for split in Split
    }
    return DatasetManifest(
        dataset_version=params.dataset_version,
        project=params.project,
        dataset=params.dataset,
        sources=params.sources,
        kind=prepared.kind,
        counts=ledger.total(),
        counts_by_source=ledger.by_source(),
        sums_by_source=ledger.sums_by_source(),
        formats=dict(sorted(ledger.formats.items())),
        problems=dict(sorted(ledger.problems.items())),
        warnings=dict(sorted(Counter(problem.code for problem in prepared.warnings).items())),
        swaps=prepared.swaps,
        pii={kind: ledger.pii[kind] for kind in sorted(ledger.pii)},
        splits=splits,
        quarantine=entries[QUARANTINE],
        content_digest=digest(
            [[split, [file.sha256 for file in entry.files]] for split, entry in sorted(splits.items())]
        ),
        characters=ledger.characters,
        suite_digest=params.suite_digest,
        evaluations=list(prepared.evaluations),
    )
