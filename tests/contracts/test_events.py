"""Every recorded event of the functions at the loop's edges is parsed by its model, and says what it should."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.events import (
    SqsEvent,
    is_execution_status,
    parse_alarm,
    parse_execution_ended,
    parse_object_created,
    parse_stream,
)
from tunesmith.contracts.lifecycle import ApprovalRequest, StateRecord

EVENTS = Path(__file__).parents[2] / "events"


def objects_of(event):
    if "sqs" in json.dumps(event.get("Records", [{}])[0].get("eventSource", "")):
        bodies = [record.body for record in SqsEvent.model_validate(event).records]
        return [found for body in bodies if body.startswith('{"') for found in parse_object_created(json.loads(body))]
    return parse_object_created(event)


PARSERS = {
    "accept_upload": objects_of,
    "decide_retrain": parse_alarm,
    "start_run": parse_stream,
    "record_state": lambda event: parse_execution_ended(event) if is_execution_status(event) else StateRecord(**event),
    "request_approval": ApprovalRequest.model_validate,
}
CASES = [path for function in PARSERS for path in sorted((EVENTS / function).glob("*.json"))]


def recorded(path):
    return json.loads((EVENTS / path).read_text())


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_recorded_event_is_parsed_by_its_model(path):
    assert PARSERS[path.parent.name](recorded(path)) is not None


def test_every_function_has_recorded_events():
    assert {path.parent.name for path in CASES} == set(PARSERS)


def test_three_shapes_tell_of_the_same_object():
    told = [objects_of(recorded(f"accept_upload/{shape}.json")) for shape in ("eventbridge", "notification", "sqs")]
    facts = {(found.bucket, found.key, found.version_id, found.region) for [found] in told}
    assert len(facts) == 1


def test_three_shapes_tell_of_the_same_alarm():
    told = [parse_alarm(recorded(f"decide_retrain/{shape}.json")) for shape in ("eventbridge", "direct", "sns")]
    assert len({(alarm.alarm_name, alarm.state, alarm.reason, alarm.changed_at) for [alarm] in told}) == 1


def test_notification_key_is_decoded_and_eventbridge_key_is_not():
    [notified] = parse_object_created(recorded("accept_upload/notification_encoded_key.json"))
    assert notified.key.endswith("/café +1.jsonl")
    event = recorded("accept_upload/eventbridge.json")
    event["detail"]["object"]["key"] = "uploads/docs/d/a+%2B b.jsonl"
    [announced] = parse_object_created(event)
    assert announced.key == "uploads/docs/d/a+%2B b.jsonl"


@pytest.mark.parametrize(
    ("parse", "case"),
    [
        (parse_object_created, "accept_upload/eventbridge.json"),
        (parse_object_created, "accept_upload/notification.json"),
        (parse_alarm, "decide_retrain/eventbridge.json"),
        (parse_alarm, "decide_retrain/direct.json"),
        (parse_alarm, "decide_retrain/sns.json"),
        (parse_stream, "start_run/queued.json"),
    ],
)
def test_field_that_aws_adds_later_changes_nothing(parse, case):
    event = recorded(case)
    assert parse(event | {"added-later": {"x": 1}}) == parse(event)


@given(st.dictionaries(st.text(max_size=12), st.none() | st.text(max_size=12) | st.integers(), max_size=5))
def test_anything_else_is_refused_as_invalid_input(event):
    for parse in (parse_object_created, parse_alarm, parse_stream):
        with pytest.raises(InvalidInput):
            parse(event)


@pytest.mark.parametrize("change", [{"status": "SUCCEEDED"}, {"name": "started-by-hand"}])
def test_execution_that_ended_well_or_is_no_runs_is_refused(change):
    event = recorded("record_state/execution_failed.json")
    event["detail"] |= change
    with pytest.raises(InvalidInput):
        parse_execution_ended(event)
