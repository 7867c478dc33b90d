"""CloudFormation's Lambda types, made through the API: moto's own drop layers, log groups and versions."""

import io
import zipfile
from typing import Any

from infra.local_cloud.resources import Made, Wanted, creates, updates


@creates("AWS::Lambda::Function", "FunctionName")
def function(wanted: Wanted) -> Made:
    request = wanted.properties | {"FunctionName": wanted.name, "Code": _code(wanted.properties["Code"])}
    made = wanted.call("lambda", "create_function", request)
    _reserve(wanted)
    return Made(made["FunctionName"], {"Arn": made["FunctionArn"]})


@updates("AWS::Lambda::Function")
def changed_function(wanted: Wanted, made: Made) -> Made:
    named = {"FunctionName": made.id}
    wanted.call("lambda", "update_function_configuration", wanted.properties | named)
    wanted.call("lambda", "update_function_code", _code(wanted.properties["Code"]) | named)
    _reserve(wanted)
    return made


def _reserve(wanted: Wanted) -> None:
    if (reserved := wanted.properties.get("ReservedConcurrentExecutions")) is not None:
        wanted.cloud.client("lambda").put_function_concurrency(
            FunctionName=wanted.name, ReservedConcurrentExecutions=int(reserved)
        )


def _code(code: dict[str, Any]) -> dict[str, Any]:
    """Source text in a template becomes the zip of an `index.py`."""
    if "ZipFile" not in code:
        return code
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", code["ZipFile"])
    return {"ZipFile": packed.getvalue()}


@creates("AWS::Lambda::LayerVersion", "LayerName")
def layer_version(wanted: Wanted) -> Made:
    arn = wanted.call("lambda", "publish_layer_version", wanted.properties | {"LayerName": wanted.name})
    return Made(arn["LayerVersionArn"], {"LayerVersionArn": arn["LayerVersionArn"]})


@creates("AWS::Lambda::Version")
def version(wanted: Wanted) -> Made:
    published = wanted.call("lambda", "publish_version", {"FunctionName": wanted.properties["FunctionName"]})
    number = published["Version"]
    arn = f"{published['FunctionArn'].removesuffix(':' + number)}:{number}"
    return Made(arn, {"Version": number, "FunctionArn": arn})


@creates("AWS::Lambda::Alias")
def alias(wanted: Wanted) -> Made:
    number = wanted.properties["FunctionVersion"].split(":")[-1]
    arn = wanted.call("lambda", "create_alias", wanted.properties | {"FunctionVersion": number})["AliasArn"]
    return Made(arn, {"AliasArn": arn})


@updates("AWS::Lambda::Alias")
def changed_alias(wanted: Wanted, made: Made) -> Made:
    number = wanted.properties["FunctionVersion"].split(":")[-1]
    wanted.call("lambda", "update_alias", wanted.properties | {"FunctionVersion": number})
    return made


@creates("AWS::Lambda::Url")
def url(wanted: Wanted) -> Made:
    target = wanted.properties["TargetFunctionArn"]
    made = wanted.call("lambda", "create_function_url_config", wanted.properties | {"FunctionName": target})
    return Made(target, {"FunctionUrl": made["FunctionUrl"], "FunctionArn": target})


@creates("AWS::Lambda::EventInvokeConfig")
def event_invoke_config(wanted: Wanted) -> Made:
    wanted.call("lambda", "put_function_event_invoke_config")
    return Made(f"{wanted.properties['FunctionName']}-event-invoke-config")


@creates("AWS::Lambda::EventSourceMapping")
def event_source_mapping(wanted: Wanted) -> Made:
    made = wanted.call("lambda", "create_event_source_mapping")
    return Made(made["UUID"], {"Id": made["UUID"], "EventSourceMappingArn": made["EventSourceMappingArn"]})


@updates("AWS::Lambda::EventSourceMapping")
def changed_event_source_mapping(wanted: Wanted, made: Made) -> Made:
    wanted.call("lambda", "update_event_source_mapping", wanted.properties | {"UUID": made.id})
    return made
