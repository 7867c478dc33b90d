"""Prepare: uploads -> a dataset version of checked, cleaned, deduplicated, split rows.

    python -m batch_jobs.prepare s3://BUCKET/runs/RUN_ID/prepare/params.json

On a laptop, on local paths (the result lies beside the params, so copy them first):

    mkdir -p .tunesmith/tiny/prepare && cp events/prepare/tiny.json .tunesmith/tiny/prepare/params.json
    python -m batch_jobs.prepare .tunesmith/tiny/prepare/params.json

A dataset version is made once. Where its manifest is there, it is whole, and later code does not touch it again.
"""

import sys

from batch_jobs.harness.main import JobContext, run_job
from batch_jobs.prepare.frozen import Frozen
from batch_jobs.prepare.gates import check_quality
from batch_jobs.prepare.pipeline import prepare_files
from batch_jobs.prepare.publishing import publish, published_manifest, result_of
from tunesmith.contracts.jobs import JobName, PrepareParams, PrepareResult


def prepare(params: PrepareParams, context: JobContext) -> PrepareResult:
    manifest = published_manifest(params, context.storage)
    if manifest:
        context.log("dataset version already there", dataset_version=manifest.dataset_version)
        return result_of(params, manifest)

    folder = context.workdir / "dataset"
    folder.mkdir()
    prepared = prepare_files(params, _frozen(params, context), folder, context)
    context.log("rows prepared", **prepared.ledger.total().model_dump(mode="json"), splits=prepared.rows)

    check_quality(params, prepared, folder, context.storage)
    return result_of(params, publish(params, prepared, folder, context))


def _frozen(params: PrepareParams, context: JobContext) -> Frozen:
    """What the frozen suite asks, so that nothing here teaches the answers."""
    if params.suite_uri is None:
        return Frozen.nothing()
    return Frozen.read(
        context.storage.download(params.suite_uri, context.workdir / "suite.parquet", params.suite_digest)
    )


if __name__ == "__main__":
    sys.exit(run_job(JobName.PREPARE, PrepareParams, PrepareResult, prepare))
