"""CloudFormation on moto's engine: our resource types in place of those that moto lacks or gets wrong.

moto parses templates, resolves references and keeps stacks; `resources.py` and its siblings make what moto cannot.
A type that nobody makes is refused before anything is created: moto would leave it out without a word.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import replace as changed
from functools import cache
from typing import Any

from moto.cloudformation import models, parsing
from moto.cloudformation.exceptions import ValidationError
from moto.core.common_models import CloudFormationModel

from infra.local_cloud import (  # noqa: F401  (importing one registers its types)
    api_resources,
    custom_resources,
    job_resources,
    lambda_resources,
    storage_resources,
)
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.patching import replace
from infra.local_cloud.resources import TYPES, Made, ResourceType, Wanted

MADE_WELL_BY_MOTO = frozenset(
    f"AWS::{name}"
    for name in (
        "ApiGateway::Resource",
        "CloudFormation::WaitCondition",
        "CloudFormation::WaitConditionHandle",
        "CloudWatch::Dashboard",
        "EC2::EIP",
        "EC2::InternetGateway",
        "EC2::LaunchTemplate",
        "EC2::NatGateway",
        "EC2::Route",
        "EC2::RouteTable",
        "EC2::SecurityGroup",
        "EC2::SecurityGroupIngress",
        "EC2::Subnet",
        "EC2::SubnetRouteTableAssociation",
        "EC2::VPC",
        "EC2::VPCGatewayAttachment",
        "Events::EventBus",
        "Events::Rule",
        "IAM::InstanceProfile",
        "IAM::ManagedPolicy",
        "IAM::Policy",
        "IAM::Role",
        "KMS::Alias",
        "Lambda::Permission",
        "Logs::LogGroup",
        "Logs::ResourcePolicy",
        "SNS::Topic",
        "SQS::Queue",
    )
)
"""Types whose creation by moto was compared with what AWS does, as far as anything here depends on it."""


def install(cloud: Cloud) -> None:
    """Put our types, our checks and one lock per stack into moto's engine."""
    replace(cloud, models.Stack, "parse_template", staticmethod(parse_template))
    _install_types(cloud)
    _install_checks(cloud)
    _install_errors(cloud)
    _install_order(cloud)


def parse_template(template: str) -> dict[str, Any]:
    """CDK writes JSON; moto reads it by a YAML parser, which takes seconds."""
    found: dict[str, Any] = json.loads(template)
    return found


def resource_type(cfn_type: str) -> ResourceType | None:
    """What makes a type, where it is ours to make."""
    if cfn_type.startswith("Custom::") or cfn_type == "AWS::CloudFormation::CustomResource":
        return TYPES.get(cfn_type) or custom_resources.resource_type()
    return TYPES.get(cfn_type)


def refuse_unknown_types(template: dict[str, Any]) -> None:
    """Raise ValidationError where a template has a resource of a type that nobody makes."""
    unknown = [
        f"{logical_id} ({resource['Type']})"
        for logical_id, resource in template.get("Resources", {}).items()
        if not resource_type(resource["Type"]) and resource["Type"] not in MADE_WELL_BY_MOTO
    ]
    if unknown:
        raise ValidationError(
            message=f"The local cloud cannot make {', '.join(sorted(unknown))}. Nothing was created. "
            "Add the type to infra/local_cloud/resources.py."
        )


class PluggedIn(CloudFormationModel):
    """A resource of ours, as moto's engine sees one. `model_of` binds a subclass to each type."""

    cloud: Cloud
    cfn_type: str
    maker: ResourceType

    def __init__(self, name: str, made: Made):
        self.name, self.made = name, made

    @property
    def physical_resource_id(self) -> str:
        return self.made.id

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    def get_cfn_attribute(self, name: str) -> str:
        if name not in self.made.attributes:
            raise ValidationError(message=f"{self.cfn_type} {self.name} has no attribute {name} here.")
        return self.made.attributes[name]

    def is_created(self) -> bool:
        return True

    @classmethod
    def create_from_cloudformation_json(  # type: ignore[misc]
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **context: Any
    ) -> "PluggedIn":
        wanted = cls._wanted(resource_name, cloudformation_json, context["LogicalId"], context["StackId"])
        return cls(resource_name, changed(cls.maker.create(wanted), properties=wanted.properties))

    @classmethod
    def update_from_cloudformation_json(  # type: ignore[misc]
        cls,
        original_resource: "PluggedIn",
        new_resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> "PluggedIn":
        given = cloudformation_json.get("Properties", {}).get(cls.maker.name_property)
        name = given or original_resource.name
        logical_id = original_resource.logical_resource_id  # type: ignore[attr-defined]
        wanted = cls._wanted(name, cloudformation_json, logical_id, stack_id="")
        if cls.maker.update:
            made = cls.maker.update(wanted, original_resource.made)
        else:
            original_resource.delete(account_id, region_name)
            made = cls.maker.create(wanted)
        return cls(name, changed(made, properties=wanted.properties))

    def delete(self, account_id: str, region_name: str) -> None:
        if self.maker.delete:
            self.maker.delete(self.cloud, self.made)

    @classmethod
    def _wanted(cls, name: str, resource: dict[str, Any], logical_id: str, stack_id: str) -> Wanted:
        properties = resource.get("Properties", {})
        return Wanted(cls.cloud, cls.cfn_type, logical_id, name, properties, stack=stack_id)


def model_of(cloud: Cloud, cfn_type: str, maker: ResourceType) -> type[PluggedIn]:
    return type(cfn_type, (PluggedIn,), {"cloud": cloud, "cfn_type": cfn_type, "maker": maker, "__module__": __name__})


def _install_types(cloud: Cloud) -> None:
    @cache
    def model_for(cfn_type: str) -> Any:
        maker = resource_type(cfn_type)
        return model_of(cloud, cfn_type, maker) if maker else motos_model(cfn_type)

    def name_property(cfn_type: str) -> str | None:
        maker = resource_type(cfn_type)
        return maker.name_property if maker else motos_name_property(cfn_type)

    motos_model = replace(cloud, parsing, "resource_class_from_type", model_for)
    motos_name_property = replace(cloud, parsing, "resource_name_property_from_type", name_property)


def _install_checks(cloud: Cloud) -> None:
    def load(self: Any) -> None:
        refuse_unknown_types(self._template)
        motos_load(self)

    def update(self: Any, template: dict[str, Any], parameters: dict[str, Any] | None = None) -> None:
        refuse_unknown_types(template)
        motos_update(self, template, parameters)

    motos_load = replace(cloud, parsing.ResourceMap, "load", load)
    motos_update = replace(cloud, parsing.ResourceMap, "update", update)


class ResourceFailed(ValidationError):
    """A resource that could not be made. Says which, and why."""


def _install_errors(cloud: Cloud) -> None:
    replace(cloud, parsing, "parse_and_create_resource", _naming(parsing.parse_and_create_resource, "create"))
    replace(cloud, parsing, "parse_and_update_resource", _naming(parsing.parse_and_update_resource, "update"))

    def create_stack(self: Any, name: str, *args: Any, **options: Any) -> Any:
        try:
            return motos_create_stack(self, name, *args, **options)
        except ValidationError as error:
            for stack in self.stacks.values():
                if stack.name == name:
                    stack.status = "CREATE_FAILED"
                    stack._add_stack_event("CREATE_FAILED", resource_status_reason=str(error))
            raise

    motos_create_stack = replace(cloud, models.CloudFormationBackend, "create_stack", create_stack)


def _naming(work: Callable[..., Any], verb: str) -> Callable[..., Any]:
    """`work` on a resource, where a failure names the resource. The innermost is the one to blame."""

    def named(logical_id: str, resource: dict[str, Any], *args: Any, **options: Any) -> Any:
        try:
            return work(logical_id, resource, *args, **options)
        except ResourceFailed:
            raise
        except Exception as error:
            cause = f"{type(error).__name__}: {getattr(error, 'description', None) or error}"
            raise ResourceFailed(message=f"Could not {verb} {logical_id} ({resource['Type']}). {cause}") from error

    return named


def _install_order(cloud: Cloud) -> None:
    """moto's map makes a resource when someone first looks at it. What it depends on by DependsOn must be there
    before; and a second thread that looks while the first is still making it, as DescribeStackResources does, must
    wait, not make another."""
    lock = threading.RLock()

    def getitem(self: Any, key: str) -> Any:
        with lock:
            if key not in self._parsed_resources:
                needs = self._resource_json_map.get(key, {}).get("DependsOn", [])
                for need in [needs] if isinstance(needs, str) else needs:
                    self[need]
            return motos_getitem(self, key)

    motos_getitem = replace(cloud, parsing.ResourceMap, "__getitem__", getitem)
