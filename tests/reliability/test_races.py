"""Several processes handle the same event at the same moment: one of them writes, the others find it written."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.edges import KEY, open_edges
from tests.support.faults import wire
from tests.support.retraining import give_feedback, put_in_production
from tunesmith.adapters import clock, retraining, uploads
from tunesmith.contracts.environment import AcceptUploadEnv, DecideRetrainEnv
from tunesmith.contracts.events import AlarmFired, ObjectCreated

ROUNDS, THREADS = 10, 4


@pytest.fixture
def edges(tables, buckets, monkeypatch):
    return open_edges(monkeypatch)


def test_same_upload_is_accepted_once(edges):
    env = AcceptUploadEnv.load()
    with wire(), ThreadPoolExecutor(THREADS) as pool:
        for round_number in range(ROUNDS):
            found = ObjectCreated(
                bucket="uploads",
                key=KEY,
                version_id=edges.upload(body=str(round_number).encode()),
                sequencer="1",
                size=1,
                account=None,
                region="us-east-1",
            )
            outcomes = list(pool.map(lambda _, found=found: uploads.accept(env, found, clock.now()), range(THREADS)))
            assert sorted(outcome.repeated for outcome in outcomes) == [False, *[True] * (THREADS - 1)]
            assert len({outcome.upload.run_id for outcome in outcomes}) == 1
    assert edges.row_counts() == (ROUNDS, ROUNDS, ROUNDS)


def test_storm_of_different_alarms_about_one_model_starts_one_run(edges, context):
    put_in_production(edges, context)
    give_feedback(0)
    give_feedback(1)
    env = DecideRetrainEnv.load()
    storm = [
        AlarmFired(
            alarm_name="tunesmith-quality/docs/docs",
            state="ALARM",
            reason="",
            changed_at=f"2026-11-24T11:53:{second:02d}.000+0000",
            account=None,
            region=None,
        )
        for second in range(8)
    ]
    with wire(), ThreadPoolExecutor(THREADS) as pool:
        outcomes = list(pool.map(lambda alarm: retraining.decide(env, alarm, clock.now()), storm))
    assert sum(outcome.decision.run_id is not None for outcome in outcomes) == 1
    assert len(edges.rows("runs")) == 2
