"""The state machine: valid ASL, every path one that the document has, every step bounded and its failure caught."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser

from infra.constructs.lifecycle_steps import payload
from tests.infra.synthesis import Synthesized
from tunesmith.contracts.lifecycle import GateRequest, StateRecord, at
from tunesmith.contracts.nodes import MOST_NODES
from tunesmith.contracts.runs import Outcome, Stage

State = dict[str, Any]
LAST = {"Tell of the failure"}
"""Its failure has nowhere to go but to the end."""


@pytest.fixture(scope="module")
def machine(synthesized: Synthesized) -> dict[str, Any]:
    """The definition, with something in place of what CloudFormation fills in."""
    [found] = synthesized.resources("AWS::StepFunctions::StateMachine").values()
    parts = found["DefinitionString"]["Fn::Join"][1]
    definition: dict[str, Any] = json.loads("".join(map(resolved, parts)))
    return definition


def resolved(part: Any) -> str:
    """What CloudFormation would put there, as far as the definition's validity goes."""
    if isinstance(part, str):
        return part
    if part == {"Ref": "AWS::Partition"}:
        return "aws"
    return "arn:aws:lambda:us-east-1:123456789012:function:f" if "Fn::GetAtt" in part else "resolved"


@pytest.fixture(scope="module")
def states(machine: dict[str, Any]) -> dict[str, State]:
    found: dict[str, State] = machine["States"]
    return found


def paths(value: Any) -> Iterator[str]:
    """Every path into the document, wherever it stands; not those into the context object."""
    if isinstance(value, dict):
        for child in value.values():
            yield from paths(child)
    elif isinstance(value, list):
        for child in value:
            yield from paths(child)
    elif isinstance(value, str):
        yield from re.findall(r"(?<![$\w])\$\.[A-Za-z_.]+", value)


def unknown(found: set[str]) -> set[str]:
    """Paths that the document does not have."""
    wrong = set()
    for path in found:
        try:
            at(*path.split(".")[1:])
        except AttributeError:
            wrong.add(path)
    return wrong


def test_every_path_is_one_that_the_document_has(machine: dict[str, Any]) -> None:
    found = set(paths(machine))
    assert len(found) > 15
    assert unknown(found) == set()


def test_a_misspelt_path_is_found() -> None:
    assert unknown({"$.plan.finetune", "$.plan.fintune"}) == {"$.plan.fintune"}


def test_definition_is_valid_asl(machine: dict[str, Any]) -> None:
    program, _ = AmazonStateLanguageParser.parse(json.dumps(machine))
    assert program


def successors(state: State) -> set[str]:
    found = {state.get("Next"), state.get("Default")}
    found |= {branch["Next"] for branch in (*state.get("Choices", []), *state.get("Catch", []))}
    return {name for name in found if name}


def test_every_state_can_be_reached_and_leads_somewhere(machine: dict[str, Any], states: dict[str, State]) -> None:
    seen, ahead = set(), {machine["StartAt"]}
    while ahead:
        name = ahead.pop()
        seen.add(name)
        ahead |= successors(states[name]) - seen
    assert seen == set(states)
    assert {name for name, state in states.items() if not successors(state)} == {
        *("Failed", "Refused", "Prepared", "Rejected", "Promoted"),
    }


def careless(states: dict[str, State]) -> dict[str, list[str]]:
    """Tasks that can hang, fail unseen, or give up on a hiccup of a service."""
    needed = ("TimeoutSeconds", "Catch", "Retry")
    tasks = {name: state for name, state in states.items() if state["Type"] == "Task"}
    missing = {name: [word for word in needed if word not in state] for name, state in tasks.items()}
    return {name: words for name, words in missing.items() if words}


def test_every_task_is_bounded_caught_and_retried(states: dict[str, State]) -> None:
    assert careless(states) == {}


def test_a_task_without_a_catch_is_found(states: dict[str, State]) -> None:
    planted = {key: value for key, value in states["Plan"].items() if key != "Catch"}
    assert careless({"Plan": planted}) == {"Plan": ["Catch"]}


def overwriting(states: dict[str, State]) -> set[str]:
    """Steps whose answer would take the place of the whole document."""
    return {
        name
        for name, state in states.items()
        if state["Type"] in ("Task", "Pass") and state.get("ResultPath", "$") == "$"
    }


def test_no_answer_takes_the_place_of_the_document(states: dict[str, State]) -> None:
    assert overwriting(states) == set()
    assert overwriting({"Run": {"Type": "Task"}}) == {"Run"}


def test_every_failure_is_recorded_then_told_then_fails(states: dict[str, State]) -> None:
    for name, state in states.items():
        for caught in state.get("Catch", []):
            assert caught["ErrorEquals"] == ["States.ALL"]
            place, steps = caught["Next"], 0
            while place != "Failed":
                assert place.startswith(("Restore", "Record failed", "Tell of")), (name, place)
                place, steps = states[place]["Next"], steps + 1
            assert steps >= 1 or name in LAST, name


def test_a_failure_after_the_rollout_began_restores_the_champion(states: dict[str, State]) -> None:
    for name in ("Record rollout", "Shift traffic", "Verify", "Record promote", "Promote"):
        assert [caught["Next"] for caught in states[name]["Catch"]] == ["Restore the champion"], name
    assert states["Restore the champion"]["Parameters"]["restore"] is True
    assert states["Restore the champion"]["Next"] == "Record failed rollout"
    assert states["Record failed rollout"]["Parameters"]["outcome"] == Outcome.ROLLED_BACK


def test_a_rollout_that_could_not_be_taken_back_does_not_say_that_it_was(states: dict[str, State]) -> None:
    [caught] = states["Restore the champion"]["Catch"]
    assert caught["ResultPath"] == "$.restore_failure"
    record = states[caught["Next"]]["Parameters"]
    assert "outcome" not in record
    assert "could not be restored" in record["reasons.$"]
    assert record["failure.$"] == "$.failure"


def test_what_a_person_decided_is_mirrored_before_the_rollout(states: dict[str, State]) -> None:
    mirror = states[states["Wait for approval"]["Next"]]
    assert mirror["Resource"] == states["Mirror"]["Resource"] and mirror["InputPath"] == "$.version"
    assert mirror["Next"] == "Record rollout"


def test_waiting_for_an_endpoint_is_bounded(states: dict[str, State]) -> None:
    bounds = [choice for choice in states["Does it serve?"]["Choices"] if "NumericGreaterThanEquals" in choice]
    assert [choice["Next"] for choice in bounds] == ["Rollout too slow"]
    wait = states["Wait for the endpoint"]["Seconds"]
    assert 1_800 <= wait * bounds[0]["NumericGreaterThanEquals"] <= 7_200
    assert states["Count looks"]["Parameters"] == {"checks.$": "States.MathAdd($.watch.checks, 1)"}


def test_every_stage_is_recorded_when_it_begins(states: dict[str, State]) -> None:
    begun = {name for name in states if name.startswith("Record ") and not name.startswith("Record failed")}
    assert {states[name]["Parameters"]["stage"] for name in begun} == {stage.value for stage in Stage} - {
        Stage.QUEUED,
        Stage.VERIFY,
    }


def test_records_have_the_shape_that_the_function_parses(states: dict[str, State]) -> None:
    for name, state in states.items():
        if name.startswith("Record "):
            fields = {field.removesuffix(".$") for field in state["Parameters"]}
            assert fields <= set(StateRecord.model_fields), name


def test_a_payload_with_a_wrong_or_a_missing_field_is_refused() -> None:
    with pytest.raises(TypeError, match="unknown fields \\['verdict'\\], missing fields \\['plan'\\]"):
        payload(GateRequest, request="$.request", verdict="$.verdict")


def test_jobs_get_their_params_where_they_were_stored(states: dict[str, State]) -> None:
    for job in ("prepare", "finetune", "evaluate"):
        key = states[f"Store {job} params"]["Parameters"]["Key.$"]
        assert key == f"States.Format('runs/{{}}/{job}/params.json', $.request.run_id)"
        uri = states[f"Run {job} on CPU"]["Parameters"]["Parameters"]["params_uri.$"]
        assert uri == f"States.Format('s3://resolved/runs/{{}}/{job}/params.json', $.request.run_id)"


def test_sagemaker_gets_the_same_params_and_no_secret(states: dict[str, State]) -> None:
    training = states["Run finetune on SageMaker"]["Parameters"]
    on_cpu = states["Run finetune on CPU"]["Parameters"]["Parameters"]
    assert training["HyperParameters"] == on_cpu
    assert set(training["Environment"]) == {"JOBS_TABLE"}


def test_executions_are_logged_and_traced(synthesized: Synthesized) -> None:
    [found] = synthesized.resources("AWS::StepFunctions::StateMachine").values()
    assert found["StateMachineType"] == "STANDARD"
    assert found["TracingConfiguration"] == {"Enabled": True}
    assert found["LoggingConfiguration"]["Level"] == "ALL"


def test_no_log_has_the_token_that_approves_a_model(synthesized: Synthesized) -> None:
    [found] = synthesized.resources("AWS::StepFunctions::StateMachine").values()
    assert found["LoggingConfiguration"]["IncludeExecutionData"] is False


def test_prepare_gets_what_the_size_of_the_upload_asks_for(states: dict[str, State]) -> None:
    where, resources = states["Prepare where?"], "$.prepare.resources"
    [several] = where["Choices"]
    assert (several["Variable"], several["NumericGreaterThan"]) == (f"{resources}.nodes", 1)
    together, alone = states[several["Next"]]["Parameters"], states[where["Default"]]["Parameters"]
    definitions = ", ".join(["'resolved'"] * (MOST_NODES - 1))
    which = f"States.ArrayGetItem(States.Array({definitions}), States.MathAdd({resources}.nodes, -2))"
    assert together["JobDefinition.$"] == which
    vcpus, memory = (f"States.Format('{{}}', {resources}.{name})" for name in ("vcpus", "memory_mib"))
    assert alone["ContainerOverrides"] == {
        "ResourceRequirements": [{"Type": "VCPU", "Value.$": vcpus}, {"Type": "MEMORY", "Value.$": memory}],
        "Environment": [{"Name": "TUNESMITH_VCPUS", "Value.$": vcpus}],
    }
    assert "ContainerOverrides" not in together
    timeout = {"AttemptDurationSeconds.$": f"{resources}.timeout_seconds"}
    assert together["Timeout"] == alone["Timeout"] == timeout
    assert {name: together[name] for name in ("JobName.$", "Parameters")} == {
        name: alone[name] for name in ("JobName.$", "Parameters")
    }
