"""Lambda: real handlers in real processes, whichever way they are invoked."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.local_cloud import lambdas, locks
from infra.local_cloud.cloud import Cloud
from tests.support.lambda_functions import create, failure, invoke, invoke_raw, role, zipped
from tests.support.local_cloud import eventually

PLUGINS = [locks, lambdas]
ECHO = "def handler(event, context):\n    return event\n"
FAIL = "def handler(event, context):\n    raise ValueError('no luck')\n"
COUNT_AND_FAIL = """
    import boto3
    def handler(event, context):
        boto3.client("sqs").send_message(QueueUrl=event["attempts"], MessageBody=context.aws_request_id)
        raise ValueError("no luck")
"""


@pytest.fixture
def queue(cloud: Cloud) -> str:
    url: str = cloud.client("sqs").create_queue(QueueName=f"queue-{time.time_ns()}")["QueueUrl"]
    return url


@pytest.fixture
def once(cloud: Cloud) -> Any:
    """A Lambda client that does not retry."""
    config = Config(retries={"total_max_attempts": 1})
    return boto3.client(
        "lambda",
        endpoint_url=cloud.url,
        region_name=cloud.region,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=config,
    )


def arn_of(queue: str) -> str:
    return f"arn:aws:sqs:us-east-1:123456789012:{queue.rsplit('/', 1)[1]}"


def received(cloud: Cloud, queue: str, count: int = 1) -> list[str]:
    """Bodies of the next messages."""
    bodies: list[str] = []

    def look() -> bool:
        for message in cloud.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            bodies.append(message["Body"])
        return len(bodies) >= count

    eventually(look, 20)
    return bodies


def log_lines(cloud: Cloud, group: str) -> list[str]:
    return [event["message"] for event in cloud.client("logs").filter_log_events(logGroupName=group)["events"]]


def test_handler_gets_event_variables_and_context(cloud: Cloud) -> None:
    source = """
        import os
        def handler(event, context):
            return {
                "event": event, "word": os.environ["WORD"], "arn": context.invoked_function_arn,
                "memory": context.memory_limit_in_mb, "left": context.get_remaining_time_in_millis(),
                "endpoint": os.environ["AWS_ENDPOINT_URL"],
            }
    """
    function = create(cloud, source, Environment={"Variables": {"WORD": "hello"}}, MemorySize=512, Timeout=9)
    answer = invoke(cloud, function, {"ü": [1, None]})
    assert answer["event"] == {"ü": [1, None]} and answer["word"] == "hello" and answer["endpoint"] == cloud.url
    assert answer["arn"].endswith(f":function:{function}") and answer["memory"] == "512"
    assert 8_000 < answer["left"] <= 9_000


def test_error_is_reported_with_type_message_and_place(cloud: Cloud) -> None:
    error = failure(cloud, create(cloud, FAIL))
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no luck")
    assert "raise ValueError('no luck')" in error["stackTrace"][-1]


@pytest.mark.parametrize(
    ("source", "handler", "error_type", "message"),
    [
        ("import missing_module", "main.handler", "Runtime.ImportModuleError", "No module named 'missing_module'"),
        (ECHO, "main.other", "Runtime.HandlerNotFound", "Handler 'other' missing on module 'main'"),
        ("import infra.local_cloud", "main.handler", "Runtime.ImportModuleError", "No module named 'infra'"),
        ("import tunesmith", "main.handler", "Runtime.ImportModuleError", "No module named 'tunesmith'"),
        ("def handler(e, c):\n    return {1, 2}", "main.handler", "Runtime.MarshalError", "Unable to marshal"),
        ("import os\ndef handler(e, c):\n    os._exit(3)", "main.handler", "Runtime.ExitError", "exit status 3"),
    ],
    ids=["missing module", "missing handler", "working tree", "shared package without layer", "not JSON", "exit"],
)
def test_function_that_cannot_answer_says_why(
    cloud: Cloud, source: str, handler: str, error_type: str, message: str
) -> None:
    error = failure(cloud, create(cloud, source, Handler=handler))
    assert error["errorType"] == error_type and message in error["errorMessage"]


def test_function_that_takes_too_long_is_killed_and_the_next_request_runs(cloud: Cloud) -> None:
    source = """
        import os, time
        def handler(event, context):
            time.sleep(event)
            return os.getpid()
    """
    function = create(cloud, source, Timeout=1)
    first = invoke(cloud, function, 0)
    assert failure(cloud, function, 30)["errorMessage"] == "Task timed out after 1.00 seconds"
    assert invoke(cloud, function, 0) != first
    assert any("Task timed out" in line for line in log_lines(cloud, f"/aws/lambda/{function}"))


def test_worker_is_warm_and_concurrent_requests_get_workers_of_their_own(cloud: Cloud) -> None:
    source = """
        import os, time
        def handler(event, context):
            time.sleep(event)
            return os.getpid()
    """
    function = create(cloud, source)
    assert invoke(cloud, function, 0) == invoke(cloud, function, 0) != os.getpid()
    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(lambda _: invoke(cloud, function, 0.5), range(3)))) == 3


def test_layer_is_importable_and_the_function_s_own_code_comes_first(cloud: Cloud) -> None:
    client = cloud.client("lambda")
    files = {"python/wanted.py": "WORD = 'layer'", "python/main.py": "def handler(e, c):\n    return 'wrong'"}
    layer = client.publish_layer_version(LayerName="words", Content={"ZipFile": zipped(files)})["LayerVersionArn"]
    source = "import wanted\ndef handler(e, c):\n    return wanted.WORD"
    assert invoke(cloud, create(cloud, source, Layers=[layer])) == "layer"


def test_log_has_the_function_s_lines_between_those_of_the_platform(cloud: Cloud) -> None:
    seen: list[tuple[str, str]] = []
    cloud.log_listeners.append(lambda group, stream, line: seen.append((group, line)))
    source = (
        "import sys\nprint('starting')\ndef handler(e, c):\n    print('one\\ntwo')\n    sys.stderr.write('three')\n"
    )
    function = create(cloud, source, LoggingConfig={"LogGroup": "its-own-group"})
    invoke(cloud, function)
    invoke(cloud, function)
    first, second = _requests(log_lines(cloud, "its-own-group"))
    assert first[0].startswith("START RequestId: ") and first[1:5] == ["starting", "one", "two", "three"]
    assert first[5].startswith("END ") and first[6].startswith("REPORT ") and "Init Duration" in first[6]
    assert second[1:4] == ["one", "two", "three"] and "Init Duration" not in second[5]
    assert ("its-own-group", "two") in seen


def _requests(lines: list[str]) -> list[list[str]]:
    starts = [number for number, line in enumerate(lines) if line.startswith("START")]
    return [lines[start:end] for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]


def test_version_and_alias_keep_the_code_that_was_published(cloud: Cloud) -> None:
    client = cloud.client("lambda")
    function = create(cloud, "def handler(e, c):\n    return c.function_version + ' old'")
    client.publish_version(FunctionName=function)
    client.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    client.update_function_code(
        FunctionName=function, ZipFile=zipped({"main.py": "def handler(e, c):\n    return c.function_version + ' new'"})
    )
    assert invoke(cloud, function) == "$LATEST new"
    assert invoke(cloud, function, Qualifier="1") == invoke(cloud, f"{function}:live") == "1 old"


def test_changed_variables_reach_the_next_request(cloud: Cloud) -> None:
    source = "import os\ndef handler(e, c):\n    return os.environ['WORD']"
    function = create(cloud, source, Environment={"Variables": {"WORD": "old"}})
    assert invoke(cloud, function) == "old"
    cloud.client("lambda").update_function_configuration(
        FunctionName=function, Environment={"Variables": {"WORD": "new"}}
    )
    assert invoke(cloud, function) == "new"


def test_payloads_beyond_the_limit_are_refused(cloud: Cloud, once: Any) -> None:
    function = create(cloud, "def handler(event, context):\n    return 'x' * event\n")
    with pytest.raises(ClientError) as refusal:
        once.invoke(FunctionName=function, Payload=json.dumps("x" * (6 * 1024 * 1024)))
    assert refusal.value.response["Error"]["Code"] == "RequestTooLargeException"
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert failure(cloud, function, 6 * 1024 * 1024)["errorType"] == "Function.ResponseSizeTooLarge"
    with pytest.raises(ClientError):
        once.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps("x" * (1024 * 1024)))


def test_reserved_concurrency_throttles_what_is_more(cloud: Cloud, once: Any) -> None:
    function = create(cloud, "import time\ndef handler(event, context):\n    time.sleep(event)\n")
    once.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)
    invoke(cloud, function, 0)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(invoke, cloud, function, 1.5)
        time.sleep(0.5)
        with pytest.raises(ClientError) as refusal:
            once.invoke(FunctionName=function, Payload=b"0")
        assert refusal.value.response["Error"]["Code"] == "TooManyRequestsException"
        assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        running.result()
    invoke(cloud, function, 0)


def test_dry_run_runs_nothing(cloud: Cloud) -> None:
    assert invoke_raw(cloud, create(cloud, FAIL), InvocationType="DryRun")["StatusCode"] == 204


def test_function_in_another_language_is_refused(cloud: Cloud, once: Any) -> None:
    function = create(cloud, ECHO, Runtime="nodejs22.x")
    with pytest.raises(ClientError, match="Python only"):
        once.invoke(FunctionName=function)


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.local_cloud.asynchronous_invocations.RETRY_SECONDS", (0.05, 0.05))


def test_failed_asynchronous_invocation_is_tried_three_times_and_reported(
    cloud: Cloud, queue: str, quick_retries: None
) -> None:
    sqs = cloud.client("sqs")
    letters, reports = (sqs.create_queue(QueueName=f"{kind}-{time.time_ns()}")["QueueUrl"] for kind in "ab")
    function = create(cloud, COUNT_AND_FAIL, DeadLetterConfig={"TargetArn": arn_of(letters)})
    cloud.client("lambda").put_function_event_invoke_config(
        FunctionName=function, DestinationConfig={"OnFailure": {"Destination": arn_of(reports)}}
    )
    event = {"attempts": queue}
    assert invoke_raw(cloud, function, event, InvocationType="Event")["StatusCode"] == 202
    attempts = received(cloud, queue, 3)
    assert len(attempts) == 3 and len(set(attempts)) == 1
    (report,) = received(cloud, reports)
    about = json.loads(report)
    assert about["requestContext"]["condition"] == "RetriesExhausted"
    assert about["requestContext"]["approximateInvokeCount"] == 3
    assert about["requestPayload"] == event and about["responsePayload"]["errorMessage"] == "no luck"
    assert json.loads(received(cloud, letters)[0]) == event


def test_asynchronous_invocation_that_may_not_be_retried_is_tried_once(cloud: Cloud, queue: str) -> None:
    reports = cloud.client("sqs").create_queue(QueueName=f"reports-{time.time_ns()}")["QueueUrl"]
    function = create(cloud, COUNT_AND_FAIL)
    cloud.client("lambda").put_function_event_invoke_config(
        FunctionName=function,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": arn_of(reports)}},
    )
    invoke_raw(cloud, function, {"attempts": queue}, InvocationType="Event")
    received(cloud, reports)
    assert len(received(cloud, queue)) == 1


def test_successful_asynchronous_invocation_reaches_its_destination(cloud: Cloud, queue: str) -> None:
    function = create(cloud, ECHO)
    cloud.client("lambda").put_function_event_invoke_config(
        FunctionName=function, DestinationConfig={"OnSuccess": {"Destination": arn_of(queue)}}
    )
    invoke_raw(cloud, function, {"a": 1}, InvocationType="Event")
    about = json.loads(received(cloud, queue)[0])
    assert (about["requestContext"]["condition"], about["responsePayload"]) == ("Success", {"a": 1})


def test_role_that_does_not_exist_is_refused(cloud: Cloud) -> None:
    role(cloud)
    with pytest.raises(ClientError, match="cannot be assumed"):
        create(cloud, ECHO, Role="arn:aws:iam::123456789012:role/nobody")
