"""What must be there before a thing that acts under a role: the role's permissions."""

from aws_cdk import CfnResource, Stack
from aws_cdk import aws_iam as iam


def depend_only_on_policy(resource: CfnResource, role: iam.Role, policy: iam.Policy | None = None) -> None:
    """CDK makes a function wait for its role and for the role's policy; the first is said already by the function's own
    reference to the role, and cfn-lint (W3005) wants nothing said twice."""
    written = policy or role.node.find_child("DefaultPolicy")
    resource.add_override("DependsOn", [Stack.of(resource).get_logical_id(written.node.default_child)])
