"""Ten thousand deliveries of upload events: duplicated, shuffled, in mixed shapes, some of them lost altogether."""

import random
from collections import Counter

import pytest

from functions.accept_upload.handler import lambda_handler as accept_upload
from functions.reconcile_uploads.handler import lambda_handler as reconcile
from tests.support.edges import Edges, eventbridge, notification, open_edges, sqs
from tunesmith.adapters.runs import run_of
from tunesmith.contracts.datasets import Upload

DELIVERIES, VERSIONS, KEYS, LOST = 10_000, 300, 200, 15
BATCH = 10


@pytest.fixture
def edges(tables, buckets, monkeypatch):
    return open_edges(monkeypatch)


def uploaded(edges: Edges, dice: random.Random) -> list[tuple[str, str]]:
    """(key, version) of every object version; some keys were written twice."""
    keys = [f"uploads/p{number % 7}/d{number}/train.jsonl" for number in range(KEYS)]
    twice = dice.sample(keys, VERSIONS - KEYS)
    return [(key, edges.upload(key, str(number).encode())) for number, key in enumerate([*keys, *twice])]


def deliveries(announced: list[tuple[str, str]], dice: random.Random) -> list[dict]:
    """Lambda events in which each (key, version) is told of many times: a third by EventBridge, a third as
    notifications, a third in SQS batches that carry either."""
    told = [announced[number % len(announced)] for number in range(DELIVERIES)]
    dice.shuffle(told)
    third = len(told) // 3
    single = [eventbridge(version, key) for key, version in told[:third]]
    direct = [notification(version, key) for key, version in told[third : 2 * third]]
    bodies = [dice.choice((eventbridge, notification))(version, key) for key, version in told[2 * third :]]
    batches = [sqs(*bodies[start : start + BATCH]) for start in range(0, len(bodies), BATCH)]
    events = [*single, *direct, *batches]
    dice.shuffle(events)
    return events


def test_each_object_version_is_one_upload_and_one_run(edges, context, capsys, event):
    dice = random.Random(20261124)
    versions = uploaded(edges, dice)
    lost = set(dice.sample(versions, LOST))
    delivered = deliveries([version for version in versions if version not in lost], dice)
    answers = [accept_upload(told, context) for told in delivered]
    assert not any(answer.get("batchItemFailures") for answer in answers)
    assert capsys.readouterr().out.count('"Name":"DuplicateEvent"') == DELIVERIES - (VERSIONS - LOST)

    found = reconcile(event("reconcile_uploads/schedule.json"), context)
    assert found == {"accepted": LOST, "started": VERSIONS, "ended": 0}
    uploads = [Upload.model_validate_json(row["document"]) for row in edges.rows("uploads")]
    sources = [run_of(row).request.sources for row in edges.rows("runs")]
    assert Counter((upload.key, upload.version_id) for upload in uploads) == Counter(versions)
    assert Counter(source.version_id for [source] in sources) == Counter(version for _, version in versions)
    assert sorted(upload.run_id for upload in uploads) == sorted(edges.executions())
