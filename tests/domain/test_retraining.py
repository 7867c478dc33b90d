"""The retraining policy: each rule can say no, says why, and all of them must agree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.acceptances import accepted
from tunesmith.contracts.datasets import Source, SourceKind
from tunesmith.contracts.events import AlarmFired
from tunesmith.contracts.feedback import Feedback, Rating, ReviewStatus
from tunesmith.contracts.identity import digest
from tunesmith.contracts.recipes import Recipe, RetrainRecipe
from tunesmith.contracts.retraining import RetrainingDecision, RetrainingState
from tunesmith.domain.retraining import (
    Situation,
    concerns_quality,
    decide,
    explain,
    next_state,
    retraining_request,
    training_rows,
)

NOW = "2026-11-24T12:00:00.000Z"
POLICY = RetrainRecipe(cooldown_seconds=3600, min_new_rows=5, max_runs_per_month=2)
CHAMPION = accepted(recipe=Recipe(retrain=POLICY)).request
ALARM = AlarmFired(
    alarm_name="tunesmith-quality/docs/docs", state="ALARM", reason="", changed_at="t1", account=None, region=None
)
RAN = RetrainingState(
    revision=1,
    last_run_id=f"run-{'0' * 32}",
    last_run_at="2026-11-24T10:00:00.000Z",
    trained_rows=5,
    month="2026-11",
    runs_in_month=1,
)


def situation(**changes):
    facts = {"champion": CHAMPION, "state": RAN, "in_flight": [], "reviewed_rows": 10, "now": NOW}
    return Situation(**facts | changes)


def test_all_rules_content_starts_a_run_and_says_what_was_checked():
    answer = decide(situation())
    assert (answer.start, len(answer.reasons)) == (True, 4)


@pytest.mark.parametrize(
    "changes",
    [
        {"champion": None},
        {"in_flight": ["run-1"]},
        {"now": "2026-11-24T10:30:00.000Z"},
        {"now": "2026-11-24T09:00:00.000Z"},
        {"reviewed_rows": 9},
        {"state": RAN.model_copy(update={"runs_in_month": 2})},
    ],
    ids=["no champion", "in flight", "cooldown", "clock went back", "too few rows", "month is full"],
)
def test_each_rule_alone_says_no_and_why(changes):
    answer = decide(situation(**changes))
    assert (answer.start, len(answer.reasons)) == (False, 1)


def test_first_retraining_needs_no_earlier_one():
    assert decide(situation(state=RetrainingState())).start


def test_new_month_starts_its_own_count():
    full = RAN.model_copy(update={"runs_in_month": 2})
    assert decide(situation(state=full, now="2026-12-01T00:00:00.000Z")).start


def test_cooldown_ends_exactly_when_it_says():
    assert decide(situation(now="2026-11-24T11:00:00.000Z")).start
    assert not decide(situation(now="2026-11-24T10:59:59.999Z")).start


def test_no_feedback_at_all_never_trains():
    eager = accepted(recipe=Recipe(retrain=RetrainRecipe(cooldown_seconds=0, min_new_rows=0))).request
    assert not decide(situation(champion=eager, state=RetrainingState(), reviewed_rows=0)).start


@given(st.lists(st.integers(0, 7200), min_size=1, max_size=30))
def test_storm_of_any_rhythm_starts_at_most_one_run_per_cooldown(seconds):
    eager = accepted(recipe=Recipe(retrain=RetrainRecipe(cooldown_seconds=3600, min_new_rows=0))).request
    state, started = RetrainingState(), []
    for second in sorted(seconds):
        now = f"2026-11-24T{10 + second // 3600}:{second // 60 % 60:02d}:{second % 60:02d}.000Z"
        facts = situation(champion=eager, state=state, now=now)
        if decide(facts).start:
            state = next_state(facts, f"run-{'0' * 32}")
            started.append(second)
    assert all(later - earlier >= 3600 for earlier, later in zip(started, started[1:], strict=False))


def test_next_state_counts_within_the_month_and_starts_anew_in_the_next():
    assert next_state(situation(), f"run-{'1' * 32}").runs_in_month == 2
    later = next_state(situation(now="2026-12-01T00:00:00.000Z"), f"run-{'1' * 32}")
    assert (later.month, later.runs_in_month, later.revision, later.trained_rows) == ("2026-12", 1, 2, 10)


def source(name):
    return Source(kind=SourceKind.FEEDBACK, source_id=digest(name), uri=f"s3://artifacts/{name}", version_id="1")


def test_feedback_replaces_earlier_feedback_and_keeps_the_uploads():
    first = retraining_request(CHAMPION, source("one"), ALARM, NOW)
    second = retraining_request(first, source("two"), ALARM, NOW)
    assert second.sources == [*CHAMPION.sources, source("two")]
    assert len({CHAMPION.run_id, first.run_id, second.run_id}) == 3


def test_same_feedback_is_the_same_run_whoever_asks_and_whenever():
    again = retraining_request(CHAMPION, source("one"), ALARM.model_copy(update={"changed_at": "t2"}), "2027")
    assert again.run_id == retraining_request(CHAMPION, source("one"), ALARM, NOW).run_id


def feedback(number, **changes):
    facts = {
        "project": "docs",
        "model": "docs",
        "feedback_id": f"fb-{number}",
        "completion_id": f"chatcmpl-{number}",
        "rating": Rating.DOWN,
        "messages": [{"role": "user", "content": "ü?"}],
        "answer": "no",
        "correction": "yes",
        "comment": None,
        "status": ReviewStatus.APPROVED,
        "reviewer": "ada",
        "created_at": NOW,
        "reviewed_at": NOW,
    }
    return Feedback(**facts | changes)


def test_training_rows_are_the_same_bytes_in_any_order():
    rows = [feedback(1), feedback(2), feedback(3)]
    assert training_rows(rows) == training_rows(rows[::-1])
    assert training_rows(rows).count(b"\n") == 3


@pytest.mark.parametrize(
    "changes", [{"status": ReviewStatus.STAGED}, {"status": ReviewStatus.REJECTED}, {"correction": None}]
)
def test_feedback_that_may_not_train_is_in_no_row(changes):
    assert training_rows([feedback(1, **changes)]) == b""


@pytest.mark.parametrize(
    "changes", [{"state": "OK"}, {"state": "INSUFFICIENT_DATA"}, {"alarm_name": "billing"}, {"alarm_name": ""}]
)
def test_only_our_quality_alarms_that_went_off_are_decided(changes):
    assert concerns_quality(ALARM)
    assert not concerns_quality(ALARM.model_copy(update=changes))


def test_decision_is_explained_with_all_its_reasons():
    decision = RetrainingDecision(
        project="docs",
        model="docs",
        alarm_name=ALARM.alarm_name,
        changed_at="t1",
        run_id=None,
        reasons=["a", "b"],
        decided_at=NOW,
    )
    assert explain(decision).endswith("starts no run: a; b")
