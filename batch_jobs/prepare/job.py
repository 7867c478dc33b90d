"""The job: make the dataset version, or find that it is made; look ahead at a training of it.

A dataset version is made once. Where its manifest is there, it is whole, and later code does not touch it again.
"""

import sys
from pathlib import Path

from batch_jobs.harness.main import JobContext, run_job
from batch_jobs.prepare.against import Against
from batch_jobs.prepare.cluster.nodes import Nodes, lend_cores
from batch_jobs.prepare.gates import check_quality
from batch_jobs.prepare.parts import rows_in_part
from batch_jobs.prepare.pipeline import Prepared, prepare_files
from batch_jobs.prepare.preflight.verdict import check_preflight
from batch_jobs.prepare.publishing import publish, published_manifest, result_of
from tunesmith.contracts.datasets import DatasetKind, DatasetManifest, Split
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.jobs import ExitCode, JobName, PrepareParams, PrepareResult
from tunesmith.contracts.preflight import Preflight

PREFLIGHT_ROWS = 5_000
SWITCH_SECONDS = 0.0005
"""For so long a thread may be in Python while another, which comes out of compiled code, waits: Python's own 5 ms would
be a tenth of what a block takes."""


def prepare(params: PrepareParams, context: JobContext) -> PrepareResult:
    manifest = published_manifest(params, context.storage)
    if manifest:
        context.log("dataset version already there", dataset_version=manifest.dataset_version)
        told = _look_ahead(params, manifest.kind, _first_part(params, manifest, context), context)
    else:
        manifest, told = _make(params, context)
    check_preflight(told, params)  # the version is whole either way, but a training of it may not be
    return result_of(params, manifest, told)


def _make(params: PrepareParams, context: JobContext) -> tuple[DatasetManifest, Preflight | None]:
    folder = context.workdir / "dataset"
    folder.mkdir()
    prepared = _prepare(params, Against.fetch(params, context), folder, context)
    context.log("rows prepared", **prepared.ledger.total().model_dump(mode="json"), splits=prepared.rows)
    check_quality(params, prepared, folder, context.storage)
    told = _look_ahead(params, prepared.kind, folder / prepared.files[Split.TRAIN][0], context)
    return publish(params, prepared, folder, context, told), told


def _prepare(params: PrepareParams, against: Against, folder: Path, context: JobContext) -> Prepared:
    nodes = Nodes.told()
    if nodes is None:
        return prepare_files(params, against, folder, context)
    from batch_jobs.prepare.cluster.preparing import prepare_on  # Daft and Ray are heavy, and few runs have a cluster

    return prepare_on(nodes, params, against, folder, context)


def _first_part(params: PrepareParams, manifest: DatasetManifest, context: JobContext) -> Path:
    part = manifest.splits[Split.TRAIN].files[0]
    return context.storage.download(params.output_uri + part.path, context.workdir / "first-part.parquet", part.sha256)


def _look_ahead(params: PrepareParams, kind: DatasetKind, part: Path, context: JobContext) -> Preflight | None:
    """What the base would see of the first training rows."""
    if params.base is None:
        return None
    from batch_jobs.prepare.preflight.gate import run_preflight  # tokenizers are heavy, and not every run has a base

    return run_preflight(rows_in_part(part, kind, PREFLIGHT_ROWS), params, context)


def main() -> int:
    """The main node, and a machine that is alone, does the job; the other nodes lend it their cores."""
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        nodes = Nodes.told()
    except InvalidInput as error:
        print(f"{error.code}: {error}", file=sys.stderr, flush=True)
        return ExitCode.BAD_INPUT
    if nodes and not nodes.is_main:
        return lend_cores(nodes)
    return run_job(JobName.PREPARE, PrepareParams, PrepareResult, prepare)
