"""Whether an alarm starts a retraining: a policy over facts, with its reasons. No clock, no look-ups."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tunesmith.contracts import identity
from tunesmith.contracts.base import Timestamp
from tunesmith.contracts.datasets import Source, SourceKind
from tunesmith.contracts.deployments import QUALITY_ALARM_PREFIX
from tunesmith.contracts.events import AlarmFired
from tunesmith.contracts.feedback import Feedback, ReviewStatus
from tunesmith.contracts.recipes import RetrainRecipe
from tunesmith.contracts.retraining import RetrainingDecision, RetrainingState
from tunesmith.contracts.runs import RunRequest, Trigger


@dataclass(frozen=True)
class Situation:
    """All that the policy looks at."""

    champion: RunRequest | None
    """The run that made what is in production."""
    state: RetrainingState
    in_flight: list[str]
    """Runs of this model that have not ended."""
    reviewed_rows: int
    """Feedback that somebody approved and that holds a better answer."""
    now: Timestamp


@dataclass(frozen=True)
class Answer:
    start: bool
    reasons: list[str]


def decide(situation: Situation) -> Answer:
    """Start a run, or not, and why: each rule that says no is named, and where none does, what was checked."""
    if situation.champion is None:
        return Answer(False, ["no model version is in production yet: there is nothing to retrain"])
    policy = situation.champion.recipe.retrain
    rules = [_in_flight(situation), _cooldown(situation, policy), _rows(situation, policy), _month(situation, policy)]
    objections = [said for passed, said in rules if not passed]
    return Answer(not objections, objections or [said for _, said in rules])


def concerns_quality(alarm: AlarmFired) -> bool:
    """Whether the alarm is one of ours on quality, and has just gone off."""
    return alarm.state == "ALARM" and alarm.alarm_name.startswith(QUALITY_ALARM_PREFIX)


def may_train(feedback: Feedback) -> bool:
    """Only what a person approved, and only where it holds a better answer."""
    return feedback.status is ReviewStatus.APPROVED and feedback.correction is not None


def training_rows(feedback: list[Feedback]) -> bytes:
    """Chat rows as JSON lines, in the order of their ids: the same feedback always makes the same bytes."""
    rows = [
        {"messages": [*item.messages, {"role": "assistant", "content": item.correction}]}
        for item in sorted(feedback, key=lambda item: item.feedback_id)
        if may_train(item)
    ]
    return b"".join(identity.canonical_json(row) + b"\n" for row in rows)


def retraining_request(champion: RunRequest, feedback: Source, alarm: AlarmFired, now: Timestamp) -> RunRequest:
    """The champion's own sources, recipe and base, with all reviewed feedback in place of what it had of it."""
    uploads = [source for source in champion.sources if source.kind is not SourceKind.FEEDBACK]
    sources, recipe = [*uploads, feedback], champion.recipe
    prepare = recipe.prepare.model_dump(mode="json")
    version = identity.dataset_version_id([source.source_id for source in sources], prepare)
    run_id = identity.run_id(version, recipe.model_dump(mode="json"), champion.base.digest, attempt=1)
    changes = {
        "run_id": run_id,
        "dataset_version": version,
        "sources": sources,
        "attempt": 1,
        "trigger": Trigger.ALARM,
        "trigger_id": decision_id(alarm),
        "created_at": now,
    }
    return champion.model_copy(update=changes)


def decision_id(alarm: AlarmFired) -> str:
    """The identity of one change of an alarm's state, in whichever shape it is announced."""
    return identity.digest({"alarm": alarm.alarm_name, "changed_at": alarm.changed_at})


def next_state(situation: Situation, run_id: str) -> RetrainingState:
    """The policy's state once this run is started."""
    return RetrainingState(
        revision=situation.state.revision + 1,
        last_run_id=run_id,
        last_run_at=situation.now,
        trained_rows=situation.reviewed_rows,
        month=month_of(situation.now),
        runs_in_month=_runs_this_month(situation) + 1,
    )


def explain(decision: RetrainingDecision) -> str:
    """A decision in words, for logs and people."""
    verdict = f"starts {decision.run_id}" if decision.run_id else "starts no run"
    return f"{decision.alarm_name} at {decision.changed_at} {verdict}: {'; '.join(decision.reasons)}"


def month_of(moment: Timestamp) -> str:
    return moment[:7]


def _in_flight(situation: Situation) -> tuple[bool, str]:
    if situation.in_flight:
        return False, f"{', '.join(situation.in_flight)} has not ended yet"
    return True, "no run is under way"


def _cooldown(situation: Situation, policy: RetrainRecipe) -> tuple[bool, str]:
    """Where the clock went backwards, the time since the last run is negative, and that is too soon as well."""
    if situation.state.last_run_at is None:
        return True, "no retraining was started before"
    since = datetime.fromisoformat(situation.now) - datetime.fromisoformat(situation.state.last_run_at)
    said = f"{since.total_seconds():.0f} s since {situation.state.last_run_id}, cooldown {policy.cooldown_seconds} s"
    return since >= timedelta(seconds=policy.cooldown_seconds), said


def _rows(situation: Situation, policy: RetrainRecipe) -> tuple[bool, str]:
    new = max(0, situation.reviewed_rows - situation.state.trained_rows)
    said = f"{new} new reviewed feedback rows with a correction, at least {policy.min_new_rows} wanted"
    return new >= policy.min_new_rows and situation.reviewed_rows > 0, said


def _month(situation: Situation, policy: RetrainRecipe) -> tuple[bool, str]:
    runs = _runs_this_month(situation)
    said = f"{runs} retrainings in {month_of(situation.now)}, at most {policy.max_runs_per_month}"
    return runs < policy.max_runs_per_month, said


def _runs_this_month(situation: Situation) -> int:
    return situation.state.runs_in_month if situation.state.month == month_of(situation.now) else 0
