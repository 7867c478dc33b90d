"""Contract of the private names of moto that stacks, functions, streams, buckets and locks lean on.

When moto is upgraded, this says which of them moved; the tests of each plug-in say whether they still mean the same.
"""

import inspect
from typing import Any

import pytest
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda.responses import LambdaResponse
from moto.cloudformation import models, parsing
from moto.core.common_models import BaseModel
from moto.core.config import default_user_config
from moto.dynamodb.models.table import StreamRecord, StreamShard, Table
from moto.s3 import notifications
from moto.s3.models import FakeBucket, FakeKey
from moto.sqs.models import Queue, SQSBackend

from infra.local_cloud.locks import SERVICES

RESOURCE = "logical_id resource_json resources_map account_id region_name"
DELIVERY = "account_id event_body {} region_name"
REPLACED = [
    (BaseModel, "__new__", "cls args kwargs"),
    (models.Stack, "parse_template", "template"),
    (models.Stack, "_add_stack_event", "self resource_status resource_status_reason resource_properties"),
    (
        models.CloudFormationBackend,
        "create_stack",
        "self name template parameters notification_arns tags role_arn enable_termination_protection "
        "timeout_in_mins stack_policy_body",
    ),
    (parsing, "resource_class_from_type", "resource_type"),
    (parsing, "resource_name_property_from_type", "resource_type"),
    (parsing, "parse_and_create_resource", RESOURCE),
    (parsing, "parse_and_update_resource", RESOURCE),
    (parsing.ResourceMap, "load", "self"),
    (parsing.ResourceMap, "update", "self template parameters"),
    (parsing.ResourceMap, "__getitem__", "self key"),
    (LambdaResponse, "invoke", "self"),
    (LambdaFunction, "__init__", "self account_id spec region version"),
    (LambdaFunction, "invoke", "self body request_headers response_headers"),
    (LambdaFunction, "_invoke_lambda", "self event"),
    (LambdaFunction, "update_configuration", "self config_updates"),
    (LambdaBackend, "create_event_source_mapping", "self spec"),
    (LambdaBackend, "layers_versions_by_arn", "self layer_version_arn"),
    (StreamShard, "add", "self old new"),
    (StreamShard, "get", "self start quantity"),
    (StreamRecord, "__init__", "self table stream_type event_name old new seq"),
    (notifications, "_get_s3_event", "event_name bucket key notification_id"),
    (notifications, "_invoke_awslambda", DELIVERY.format("fn_arn")),
    (notifications, "_send_sqs_message", DELIVERY.format("queue_name")),
    (notifications, "_send_sns_message", DELIVERY.format("topic_arn")),
    (FakeBucket, "get_permission", "self action resource"),
    (FakeKey, "dispose", "self garbage"),
    (
        SQSBackend,
        "receive_message",
        "self queue_name count wait_seconds_timeout visibility_timeout message_attribute_names",
    ),
]


@pytest.mark.parametrize(("owner", "name", "parameters"), REPLACED, ids=[name for _, name, _ in REPLACED])
def test_moto_still_has_the_name_with_these_parameters(owner: Any, name: str, parameters: str) -> None:
    assert " ".join(inspect.signature(getattr(owner, name)).parameters) == parameters


@pytest.mark.parametrize("owner", [Queue, Table])
def test_source_still_keeps_its_mappings_under_the_name_that_we_empty(owner: type) -> None:
    assert "self.lambda_event_source_mappings" in inspect.getsource(owner.__init__)


@pytest.mark.parametrize("name", ["_parsed_resources", "_resource_json_map", "_template"])
def test_resource_map_still_keeps_what_we_look_into(name: str) -> None:
    assert f"self.{name}" in inspect.getsource(parsing.ResourceMap.__init__)


def test_mappings_are_still_found_where_we_look() -> None:
    assert "self._event_source_mappings" in inspect.getsource(LambdaBackend.__init__)


def test_state_machines_still_run_only_when_asked_to() -> None:
    assert "execute_state_machine" in default_user_config["stepfunctions"]


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_backend_still_has_public_methods_to_serialise(service: str) -> None:
    for backend in SERVICES[service]:
        public = [name for name, value in vars(backend).items() if inspect.isfunction(value) and name[0] != "_"]
        assert len(public) > 3
