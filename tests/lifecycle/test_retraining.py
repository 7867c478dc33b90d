"""Feedback becomes a better model: reviewed corrections, an alarm, a second run against the same frozen suite."""

import io
import json
import time

import pyarrow.parquet as parquet
import pytest
import requests

from tests.support.loop import RECIPE, Loop
from tunesmith.contracts.datasets import SourceKind
from tunesmith.contracts.deployments import quality_alarm_name
from tunesmith.contracts.runs import Outcome, Run, Trigger

ALARM = quality_alarm_name("demo", "demo")
APPROVED = {21: "Adds twenty-one.", 22: "Adds twenty-two.", 23: "Adds twenty-three."}
UNREVIEWED = "Nobody has looked at this one."
REJECTED = "Somebody has said no to this one."


class Api:
    """The platform's own routes, by a key of the project `demo`."""

    def __init__(self, loop: Loop):
        self._url = f"{loop.cloud.api_base_url}/tunesmith"
        self._headers = {"Authorization": f"Bearer {loop.cloud.api_key}"}

    def post(self, path: str, **body: object) -> dict:
        answer = requests.post(f"{self._url}/{path}", json=body, headers=self._headers, timeout=60)
        assert answer.status_code == 200, answer.text
        found: dict = answer.json()
        return found

    def get(self, path: str) -> dict:
        answer = requests.get(f"{self._url}/{path}", headers=self._headers, timeout=60)
        assert answer.status_code == 200, answer.text
        found: dict = answer.json()
        return found


@pytest.fixture(scope="module")
def api(loop: Loop) -> Api:
    return Api(loop)


@pytest.fixture(scope="module")
def second_run(loop: Loop, first_run: Run, api: Api) -> Run:
    """The run that the alarm started, when it has ended."""
    client = loop.openai()

    def answered(number: int) -> str:
        asked = [{"role": "user", "content": f"Summarise function number {number}."}]
        return client.chat.completions.create(model="demo", messages=asked, max_tokens=4).id

    answers = {number: answered(number) for number in (*APPROVED, 24, 25)}
    wait_for_a_fresh_period()
    for number, correction in APPROVED.items():
        review(api, give(api, answers[number], correction), "approved")
    review(api, give(api, answers[24], REJECTED), "rejected")
    give(api, answers[25], UNREVIEWED)
    return loop.succeeded("demo", number=2)


def wait_for_a_fresh_period() -> None:
    """The alarm looks at a period when it is over: all feedback and its review must lie in one."""
    period = RECIPE["monitor"]["period_seconds"]
    if (late := time.time() % period) > period / 3:
        time.sleep(period - late)


def give(api: Api, completion_id: str, correction: str) -> str:
    feedback = api.post("feedback", completion_id=completion_id, rating="down", correction=correction)
    assert feedback["status"] == "staged"
    return str(feedback["feedback_id"])


def review(api: Api, feedback_id: str, status: str) -> None:
    assert api.post(f"feedback/{feedback_id}/review", status=status, reviewer="ada")["status"] == status


def test_alarm_starts_a_second_run_that_is_promoted(loop: Loop, second_run: Run) -> None:
    assert second_run.request.trigger is Trigger.ALARM
    assert (second_run.outcome, second_run.version) == (Outcome.PROMOTED, 2)
    [alarm] = loop.client("cloudwatch").describe_alarms(AlarmNames=[ALARM])["MetricAlarms"]
    assert (alarm["Statistic"], alarm["Period"]) == ("Average", RECIPE["monitor"]["period_seconds"])
    assert len(loop.runs("demo")) == 2


def test_decision_says_why_and_which_run(loop: Loop, second_run: Run) -> None:
    decisions = [json.loads(row["document"]) for row in loop.rows("retraining") if row["entry"] != "policy"]
    started = [decision for decision in decisions if decision["run_id"]]
    assert [decision["run_id"] for decision in started] == [second_run.request.run_id]
    assert "3 new reviewed feedback rows" in " ".join(started[0]["reasons"])


def test_second_run_trains_on_the_upload_and_the_reviewed_feedback(loop: Loop, first_run: Run, second_run: Run) -> None:
    uploaded, feedback = second_run.request.sources
    assert [uploaded] == first_run.request.sources
    assert feedback.kind is SourceKind.FEEDBACK
    rows = [json.loads(line) for line in loop.read(feedback.uri, VersionId=feedback.version_id).splitlines()]
    assert sorted(row["messages"][-1]["content"] for row in rows) == sorted(APPROVED.values())


def test_feedback_that_nobody_approved_is_not_trained_on(loop: Loop, second_run: Run) -> None:
    folder = loop.params(second_run, "prepare")["output_uri"]
    manifest = json.loads(loop.read(f"{folder}manifest.json"))
    files = [file["path"] for split in manifest["splits"].values() for file in split["files"]]
    said = " ".join(str(parquet.read_table(io.BytesIO(loop.read(folder + file))).to_pylist()) for file in files)
    assert all(correction in said for correction in APPROVED.values())
    assert UNREVIEWED not in said and REJECTED not in said


def test_second_run_is_judged_against_the_champion_on_the_same_frozen_suite(
    loop: Loop, first_run: Run, second_run: Run
) -> None:
    first, second = (loop.params(run, "evaluate") for run in (first_run, second_run))
    assert second["suite_digest"] == first["suite_digest"]
    assert loop.params(second_run, "prepare")["suite_digest"] == first["suite_digest"]
    trained = json.loads(loop.row("models", model="demo/demo", entry="version#00001")["document"])["adapter"]
    champions = [it["adapter"] for it in second["contenders"] if it["role"] == "champion"]
    assert champions == [trained]


def test_api_answers_with_the_second_version(loop: Loop, second_run: Run) -> None:
    asked = [{"role": "user", "content": "Summarise function number 3."}]
    answer = loop.openai().chat.completions.create(model="demo", messages=asked, max_tokens=2)
    version = json.loads(loop.row("models", model="demo/demo", entry="version#00002")["document"])
    assert answer.system_fingerprint == version["adapter"]["digest"]


def test_runs_and_versions_are_listed_over_the_api(api: Api, first_run: Run, second_run: Run) -> None:
    listed = [run["request"]["run_id"] for run in api.get("runs")["data"]]
    assert listed == [second_run.request.run_id, first_run.request.run_id]
    assert sorted(version["version"] for version in api.get("models")["data"]) == [1, 2]


def test_alarm_and_upload_delivered_again_start_nothing(loop: Loop, second_run: Run, event) -> None:
    before = loop.counts()
    alarm = event("decide_retrain/eventbridge.json")
    [decision] = [json.loads(row["document"]) for row in loop.rows("retraining") if started_a_run(row)]
    alarm["detail"] |= {"alarmName": decision["alarm_name"]}
    alarm["detail"]["state"] |= {"timestamp": decision["changed_at"]}
    upload = event("accept_upload/eventbridge.json")
    [source] = loop.runs("demo")[0].request.sources
    upload["detail"]["bucket"]["name"] = loop.platform.uploads_bucket
    upload["detail"]["object"] |= {"key": source.uri.split("/", 3)[3], "version-id": source.version_id}
    for _ in range(2):
        loop.invoke("decide_retrain", alarm)
        loop.invoke("accept_upload", upload)
    assert loop.counts() == before


def started_a_run(row: dict) -> bool:
    return row["entry"] != "policy" and json.loads(row["document"])["run_id"] is not None
