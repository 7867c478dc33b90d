"""A model in production with reviewed feedback and its quality alarm: what `decide_retrain` decides about."""

import json
from typing import Any

import boto3

from functions.accept_upload.handler import lambda_handler as accept_upload
from functions.record_state.handler import lambda_handler as record_state
from tests.support.edges import BASE, EVENTS, Edges, eventbridge
from tunesmith.adapters import clock, runs
from tunesmith.adapters.feedback import FeedbackRows
from tunesmith.adapters.registry import Aliases, Versions
from tunesmith.contracts.deployments import quality_alarm_name
from tunesmith.contracts.feedback import Feedback, Rating, ReviewStatus
from tunesmith.contracts.identity import digest
from tunesmith.contracts.metrics import NAMESPACE, Dimension, MetricName
from tunesmith.contracts.models import CHAMPION, ApprovalStatus, Candidate, ModelReference
from tunesmith.contracts.runs import RunRequest

RECIPE = "retrain: {cooldown_seconds: 3600, min_new_rows: 2, max_runs_per_month: 3}"


def put_in_production(edges: Edges, context: Any, project: str = "docs", recipe: str = RECIPE) -> RunRequest:
    """A model of the project that a finished run made, champion since; the run's request."""
    edges.write_recipe(recipe, project)
    key = f"uploads/{project}/docstrings/train.jsonl"
    accept_upload(eventbridge(edges.upload(key), key), context)
    [request] = [run.request for run in runs.runs_of_project("runs", project)]
    record_state({"run_id": request.run_id, "status": "succeeded", "stage": "done", "outcome": "promoted"}, context)
    version = Versions("models").register(_candidate(request))
    Aliases("aliases").move(CHAMPION, version, cause=request.run_id, reason="first", moved_at=clock.now())
    make_alarm(project, request.model)
    return request


def _candidate(request: RunRequest) -> Candidate:
    return Candidate(
        project=request.project,
        model=request.model,
        adapter=ModelReference(uri="s3://models/adapters/a/", digest=digest(request.run_id)),
        base=ModelReference(uri=f"s3://models/bases/{BASE.digest}/", digest=BASE.digest),
        run_id=request.run_id,
        dataset_version=request.dataset_version,
        status=ApprovalStatus.APPROVED,
        reasons=["better than the base"],
        metrics={},
        evidence_uri="s3://artifacts/report.json",
        card_uri="s3://models/card.md",
        created_at=clock.now(),
    )


def make_alarm(project: str, model: str) -> None:
    boto3.client("cloudwatch").put_metric_alarm(
        AlarmName=quality_alarm_name(project, model),
        Namespace=NAMESPACE,
        MetricName=MetricName.NEGATIVE_FEEDBACK,
        Dimensions=[{"Name": Dimension.PROJECT, "Value": project}, {"Name": Dimension.MODEL, "Value": model}],
        Statistic="Average",
        Threshold=0.5,
        ComparisonOperator="GreaterThanThreshold",
        Period=60,
        EvaluationPeriods=1,
    )


def give_feedback(number: int, project: str = "docs", **changes: Any) -> Feedback:
    """Feedback with a correction that somebody approved, unless `changes` say otherwise."""
    feedback = Feedback(
        project=project,
        model=project,
        feedback_id=f"fb-{number:03d}",
        completion_id=f"chatcmpl-{number}",
        rating=Rating.DOWN,
        messages=[{"role": "user", "content": f"question {number}"}],
        answer="wrong",
        correction=f"right {number}",
        comment=None,
        status=ReviewStatus.APPROVED,
        reviewer="ada",
        created_at=clock.now(),
        reviewed_at=clock.now(),
    ).model_copy(update=changes)
    FeedbackRows("feedback").stage(feedback)
    return feedback


def alarm(shape: str = "eventbridge", project: str = "docs", changed_at: str | None = None) -> dict[str, Any]:
    """The recorded event, about the project's model of the same name."""
    text = (EVENTS / f"decide_retrain/{shape}.json").read_text()
    text = text.replace(quality_alarm_name("docs", "docs"), quality_alarm_name(project, project))
    return json.loads(text.replace("2026-11-24T11:53:08.431+0000", changed_at or "2026-11-24T11:53:08.431+0000"))
