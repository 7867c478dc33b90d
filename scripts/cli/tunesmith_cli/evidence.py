"""What a run left behind, read back from the buckets: the page and the demo's table are made from this."""

import json
from collections.abc import Iterator
from datetime import datetime

from tunesmith.adapters.evaluations import read_evidence
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.artifacts import dataset_prefix, params_key, result_key, s3_uri
from tunesmith.contracts.datasets import DatasetManifest, Problem
from tunesmith.contracts.evaluations import EvaluationReport, ItemRecord, Verdict
from tunesmith.contracts.jobs import EvaluateParams, EvaluateResult, FinetuneResult, JobName, Role
from tunesmith.contracts.models import AdapterManifest, BaseModelManifest
from tunesmith.contracts.runs import Run
from tunesmith.domain.gating import judge
from tunesmith_cli import account
from tunesmith_cli.report.story import RunStory

SHOWN_PROBLEMS = 20


def run_story(label: str, run: Run) -> RunStory:
    """Everything that the run wrote down; what it did not reach is None."""
    dataset = _manifest(run)
    return RunStory(
        label=label,
        run=run,
        seconds=seconds_between(run.request.created_at, run.updated_at),
        dataset=dataset,
        problems=list(_problems(run, dataset)) if dataset else [],
        adapter=_adapter(run),
        evaluation=evaluation(run),
        verdict=_verdict(run),
    )


def evaluation(run: Run) -> EvaluationReport | None:
    body = _read(result_key(run.request.run_id, JobName.EVALUATE))
    if body is None:
        return None
    return EvaluationReport.model_validate_json(Storage().read(EvaluateResult.model_validate_json(body).report_uri))


def item_records(report: EvaluationReport, role: Role) -> list[ItemRecord]:
    """Every answer of one contestant, in the suite's order."""
    uri = next(contestant.records_uri for contestant in report.contestants if contestant.role is role)
    return [ItemRecord.model_validate_json(line) for line in Storage().read(uri).splitlines()]


def base_manifest(run: Run) -> BaseModelManifest:
    return BaseModelManifest.model_validate_json(Storage().read(run.request.base.uri + "manifest.json"))


def seconds_between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _manifest(run: Run) -> DatasetManifest | None:
    body = _read(_dataset_folder(run) + "manifest.json")
    return DatasetManifest.model_validate_json(body) if body else None


def _dataset_folder(run: Run) -> str:
    return dataset_prefix(run.request.project, run.request.dataset, run.request.dataset_version)


def _problems(run: Run, dataset: DatasetManifest) -> Iterator[Problem]:
    body = _read(_dataset_folder(run) + dataset.quarantine.path) or b""
    for line in body.splitlines()[:SHOWN_PROBLEMS]:
        row = json.loads(line)
        yield Problem(**{name: row[name] for name in Problem.model_fields})


def _adapter(run: Run) -> AdapterManifest | None:
    body = _read(result_key(run.request.run_id, JobName.FINETUNE))
    if body is None:
        return None
    folder = FinetuneResult.model_validate_json(body).adapter.uri
    return AdapterManifest.model_validate_json(Storage().read(folder + "manifest.json"))


def _verdict(run: Run) -> Verdict | None:
    """The gate is a pure function of the evidence, so asking it again gives the verdict that it gave."""
    body = _read(params_key(run.request.run_id, JobName.EVALUATE))
    if body is None:
        return None
    params = EvaluateParams.model_validate_json(body)
    return judge(read_evidence(Storage(), params), params, run.request.recipe.gate)


def _read(key: str) -> bytes | None:
    return Storage().read_if_there(s3_uri(account.platform().artifacts_bucket, key))
