"""Decisions about alarms: the facts are looked up, the policy of `domain.retraining` decides, and the answer is
written once: the decision, the policy's new state, the dataset version and its queued run in one transaction.

Which model an alarm is about stands in its metric's dimensions, and CloudWatch is asked for them: a name can be given
to any alarm, and what the alarm measures cannot be out of date there.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3

from tunesmith.adapters import datasets, dynamo, objects, runs
from tunesmith.adapters.dynamo import Put, Row
from tunesmith.adapters.feedback import FeedbackRows
from tunesmith.adapters.registry import Aliases, Versions
from tunesmith.contracts.artifacts import feedback_rows_key, s3_uri
from tunesmith.contracts.base import Timestamp
from tunesmith.contracts.datasets import DatasetVersion, Source, SourceKind
from tunesmith.contracts.environment import DecideRetrainEnv
from tunesmith.contracts.errors import Conflict, NotFound
from tunesmith.contracts.events import AlarmFired
from tunesmith.contracts.feedback import Feedback, ReviewStatus
from tunesmith.contracts.metrics import Dimension
from tunesmith.contracts.models import CHAMPION
from tunesmith.contracts.retraining import RetrainingDecision, RetrainingState
from tunesmith.contracts.runs import Run, RunRequest
from tunesmith.domain import retraining
from tunesmith.domain.retraining import Answer, Situation

KEY = ("model", "entry")
POLICY = "policy"
ATTEMPTS = 5
"""Decisions about one model that may be taken at the same time before one gives up and is delivered again."""


@cache
def cloudwatch() -> Any:
    """The process's one CloudWatch client."""
    return boto3.client("cloudwatch")


@dataclass(frozen=True)
class Subject:
    """The model that an alarm is about."""

    project: str
    model: str

    @property
    def partition(self) -> str:
        return f"{self.project}/{self.model}"


@dataclass(frozen=True)
class Outcome:
    decision: RetrainingDecision
    repeated: bool
    """It was decided before: nothing was written."""


def decide(env: DecideRetrainEnv, alarm: AlarmFired, now: Timestamp) -> Outcome:
    """Decide about a change of an alarm's state, unless that was done. Looks again where another decision about the
    same model was written meanwhile."""
    subject = subject_of(alarm.alarm_name)
    for _ in range(ATTEMPTS):
        if known := find_decision(env.retraining_table, subject, alarm):
            return Outcome(known, repeated=True)
        feedback = reviewed_feedback(env.feedback_table, subject)
        situation = _situation(env, subject, len(feedback), now)
        answer, request = _answer(env, situation, feedback, alarm)
        decision = _decision(subject, alarm, answer, request, now)
        if dynamo.transact(_writes(env, situation, alarm, decision, request)):
            return Outcome(decision, repeated=False)
    raise Conflict(f"other decisions about {subject.partition} came first {ATTEMPTS} times; deliver the alarm again")


def subject_of(alarm_name: str) -> Subject:
    """Raises NotFound where the alarm is gone, or watches no metric of a model."""
    for alarm in cloudwatch().describe_alarms(AlarmNames=[alarm_name], AlarmTypes=["MetricAlarm"])["MetricAlarms"]:
        measured = [query.get("MetricStat", {}).get("Metric", {}) for query in alarm.get("Metrics", [])]
        for metric in (alarm, *measured):
            named = {dimension["Name"]: dimension["Value"] for dimension in metric.get("Dimensions", [])}
            if Dimension.PROJECT in named and Dimension.MODEL in named:
                return Subject(named[Dimension.PROJECT], named[Dimension.MODEL])
    raise NotFound(
        f"alarm {alarm_name!r} is gone, or its metric has no dimensions {Dimension.PROJECT} and {Dimension.MODEL}: "
        "cannot tell which model it is about"
    )


def find_decision(table: str, subject: Subject, alarm: AlarmFired) -> RetrainingDecision | None:
    row = dynamo.get(table, {"model": subject.partition, "entry": _entry(alarm)})
    return RetrainingDecision.model_validate_json(row["document"]) if row else None


def reviewed_feedback(table: str, subject: Subject) -> list[Feedback]:
    """Feedback on the model that may train: somebody approved it, and it holds a better answer."""
    approved = FeedbackRows(table).list(subject.project, ReviewStatus.APPROVED)
    return [feedback for feedback in approved if feedback.model == subject.model and retraining.may_train(feedback)]


def champion_run(env: DecideRetrainEnv, subject: Subject) -> RunRequest | None:
    """The request of the run that made what is in production: its sources, recipe and base."""
    alias = Aliases(env.aliases_table).get(subject.project, subject.model, CHAMPION)
    if alias is None:
        return None
    version = Versions(env.models_table).get(subject.project, subject.model, alias.version)
    return runs.get_run(env.runs_table, version.run_id).request


def _situation(env: DecideRetrainEnv, subject: Subject, reviewed_rows: int, now: Timestamp) -> Situation:
    policy = dynamo.get(env.retraining_table, {"model": subject.partition, "entry": POLICY})
    under_way = [
        run.request.run_id
        for run in runs.unfinished(env.runs_table)
        if (run.request.project, run.request.model) == (subject.project, subject.model)
    ]
    return Situation(
        champion=champion_run(env, subject),
        state=RetrainingState.model_validate_json(policy["document"]) if policy else RetrainingState(),
        in_flight=under_way,
        reviewed_rows=reviewed_rows,
        now=now,
    )


def _answer(
    env: DecideRetrainEnv, situation: Situation, feedback: list[Feedback], alarm: AlarmFired
) -> tuple[Answer, RunRequest | None]:
    """What the policy says; a run that was there before is not started again for the same data."""
    answer = retraining.decide(situation)
    if not answer.start or situation.champion is None:
        return answer, None
    source = _feedback_source(env.artifacts_bucket, situation.champion.project, feedback)
    request = retraining.retraining_request(situation.champion, source, alarm, situation.now)
    if runs.find_run(env.runs_table, request.run_id):
        return Answer(False, [f"the same data was trained with the same recipe by {request.run_id}"]), None
    return answer, request


def _feedback_source(bucket: str, project: str, feedback: list[Feedback]) -> Source:
    """The rows, written under the digest of their bytes; the same rows are the same source."""
    body = retraining.training_rows(feedback)
    digest = hashlib.sha256(body).hexdigest()
    key = feedback_rows_key(project, digest)
    version_id = objects.write_once(bucket, key, body, "application/jsonl")
    return Source(
        kind=SourceKind.FEEDBACK,
        source_id=digest,
        uri=s3_uri(bucket, key),
        version_id=version_id,
        size=len(body),
    )


def _decision(
    subject: Subject, alarm: AlarmFired, answer: Answer, request: RunRequest | None, now: Timestamp
) -> RetrainingDecision:
    return RetrainingDecision(
        project=subject.project,
        model=subject.model,
        alarm_name=alarm.alarm_name,
        changed_at=alarm.changed_at,
        run_id=request.run_id if request else None,
        reasons=answer.reasons,
        decided_at=now,
    )


def _writes(
    env: DecideRetrainEnv,
    situation: Situation,
    alarm: AlarmFired,
    decision: RetrainingDecision,
    request: RunRequest | None,
) -> list[Put]:
    owner = dynamo.owner_token()
    partition = Subject(decision.project, decision.model).partition
    row = {"model": partition, "entry": _entry(alarm), "document": decision.model_dump_json(), "owner": owner}
    writes = [Put.new(env.retraining_table, row, KEY)]
    if request:
        run = Run(request=request, updated_at=request.created_at)
        writes += [
            _policy(env.retraining_table, partition, situation, request, owner),
            datasets.new_version(env.datasets_table, _version_of(request), owner),
            runs.new_run(env.runs_table, run, owner),
        ]
    return writes


def _policy(table: str, partition: str, situation: Situation, request: RunRequest, owner: str) -> Put:
    """The policy's next state, unless another decision has written one since this one looked."""
    state = retraining.next_state(situation, request.run_id)
    row: Row = {"model": partition, "entry": POLICY, "document": state.model_dump_json(), "owner": owner}
    row["revision"] = state.revision
    if situation.state.revision == 0:
        return Put.new(table, row, KEY)
    return Put(table, row, KEY, condition="revision = :seen", values={":seen": situation.state.revision})


def _version_of(request: RunRequest) -> DatasetVersion:
    return DatasetVersion(
        project=request.project,
        dataset=request.dataset,
        version=request.dataset_version,
        sources=request.sources,
        recipe_version_id=None,
        created_at=request.created_at,
    )


def _entry(alarm: AlarmFired) -> str:
    return f"decision#{retraining.decision_id(alarm)}"
