"""Two thousand deliveries about folders: files and lists, duplicated, shuffled, in mixed shapes, some of them lost."""

import json
import random
from collections import Counter

import pytest

from functions.accept_upload.handler import lambda_handler as accept_upload
from functions.reconcile_uploads.handler import lambda_handler as reconcile
from tests.support.edges import Edges, eventbridge, notification, open_edges, sqs
from tunesmith.adapters.runs import run_of

DELIVERIES, FOLDERS, APPENDED, FILES, LOST = 2_000, 30, 12, 3, 6
BATCH = 10

Announced = tuple[str, str]
"""Key and version of an object."""


@pytest.fixture
def edges(tables, buckets, monkeypatch):
    return open_edges(monkeypatch)


def upload_folder(edges: Edges, folder: str, append: bool) -> list[Announced]:
    """Its files, and its list last."""
    names = [f"{number}.jsonl" for number in range(FILES)]
    files = [(folder + name, edges.upload(folder + name, folder.encode())) for name in names]
    body = {"files": [{"path": name} for name in names], "append": append}
    return [*files, (folder + "_dataset.json", edges.upload(folder + "_dataset.json", json.dumps(body).encode()))]


def deliveries(announced: list[Announced], dice: random.Random) -> list[dict]:
    """Lambda events, each object told of many times, half of them in SQS batches."""
    told = [announced[number % len(announced)] for number in range(DELIVERIES)]
    dice.shuffle(told)
    bodies = [dice.choice((eventbridge, notification))(version, key) for key, version in told]
    half = len(bodies) // 2
    batches = [sqs(*bodies[start : start + BATCH]) for start in range(half, len(bodies), BATCH)]
    events = [*bodies[:half], *batches]
    dice.shuffle(events)
    return events


def test_each_folder_is_one_dataset_version_and_none_that_is_appended_is_lost(edges, context, event):
    dice = random.Random(20261124)
    whole = [upload_folder(edges, f"uploads/p/d{number}/november/", append=False) for number in range(FOLDERS)]
    more = [upload_folder(edges, f"uploads/p/many/day-{number}/", append=True) for number in range(APPENDED)]
    folders = [*whole, *more]
    lost = {folder[-1] for folder in dice.sample(folders, LOST)}
    announced = [one for folder in folders for one in folder if one not in lost]
    answers = [accept_upload(told, context) for told in deliveries(announced, dice)]
    assert not any(answer.get("batchItemFailures") for answer in answers)

    found = reconcile(event("reconcile_uploads/schedule.json"), context)
    assert found == {"accepted": LOST, "started": len(folders), "ended": 0}
    assert edges.row_counts() == (len(folders),) * 3
    versions = Counter(
        source.version_id for version in edges.versions() if version.dataset != "many" for source in version.sources
    )
    assert versions == Counter(version for folder in whole for _, version in folder[:-1])
    appended = sorted(
        (version for version in edges.versions() if version.dataset == "many"), key=lambda v: len(v.sources)
    )
    assert [len(version.sources) for version in appended] == [FILES * (number + 1) for number in range(APPENDED)]
    assert Counter(source.version_id for source in appended[-1].sources) == Counter(
        version for folder in more for _, version in folder[:-1]
    )
    assert sorted(run_of(row).request.run_id for row in edges.rows("runs")) == sorted(edges.executions())
