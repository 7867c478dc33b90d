"""Prepare: uploaded JSON lines -> a dataset version of checked, deduplicated, split conversations.

    python -m batch_jobs.prepare s3://BUCKET/runs/RUN_ID/prepare/params.json

On a laptop, on local paths (the result lies beside the params, so copy them first):

    mkdir -p .tunesmith/tiny/prepare && cp events/prepare/tiny.json .tunesmith/tiny/prepare/params.json
    python -m batch_jobs.prepare .tunesmith/tiny/prepare/params.json

A dataset version is made once. Where its manifest is there, it is whole, and later code does not touch it again.
"""

import sys
from pathlib import Path

from batch_jobs.harness.main import JobContext, run_job
from batch_jobs.prepare.gates import check_quality
from batch_jobs.prepare.publishing import publish, published_manifest, result_of
from batch_jobs.prepare.rows import RowSorter
from batch_jobs.prepare.writing import prompts_in
from tunesmith.contracts.datasets import Source, SourceKind
from tunesmith.contracts.jobs import JobName, PrepareParams, PrepareResult

LINES_BETWEEN_LOOKS = 500


def prepare(params: PrepareParams, context: JobContext) -> PrepareResult:
    manifest = published_manifest(params, context.storage)
    if manifest:
        context.log("dataset version already there", dataset_version=manifest.dataset_version)
        return result_of(params, manifest)

    folder = context.workdir / "dataset"
    folder.mkdir()
    with RowSorter(folder, params.recipe, _frozen_prompts(params, context)) as sorter:
        for source in sorted(params.sources, key=_order):
            _sort_source(sorter, source, context)
    counts = sorter.ledger.total()
    context.log("rows sorted", **counts.model_dump(mode="json"), splits=sorter.rows)

    check_quality(params, counts, sorter, folder, context.storage)
    return result_of(params, publish(params, sorter, folder, context))


def _sort_source(sorter: RowSorter, source: Source, context: JobContext) -> None:
    file = context.storage.download(source.uri, context.workdir / source.source_id, version_id=_version(source))
    size = max(file.stat().st_size, 1)
    name = source.uri.rpartition("/")[2]
    for count, position in enumerate(sorter.add(source, file)):
        if count % LINES_BETWEEN_LOOKS == 0:
            context.check_interrupted()
            context.progress(min(position, size - 1), size, "bytes", note=name)
    context.progress(size, size, "bytes", note=name)
    file.unlink()


def _frozen_prompts(params: PrepareParams, context: JobContext) -> frozenset[str]:
    """What the frozen suite asks, so that nothing here teaches the answers."""
    if params.suite_uri is None:
        return frozenset()
    file: Path = context.storage.download(params.suite_uri, context.workdir / "suite.parquet", params.suite_digest)
    return frozenset(prompts_in(file))


def _order(source: Source) -> tuple[bool, str]:
    """The same whatever order the sources are named in; uploads first, so that feedback is the duplicate."""
    return (source.kind == SourceKind.FEEDBACK, source.source_id)


def _version(source: Source) -> str | None:
    """Local files have no versions."""
    return source.version_id if source.uri.startswith("s3://") else None


if __name__ == "__main__":
    sys.exit(run_job(JobName.PREPARE, PrepareParams, PrepareResult, prepare))
