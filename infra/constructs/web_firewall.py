"""AWS WAF before the API: known bad inputs and addresses are refused, and floods from one address."""

from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

REQUESTS_PER_FIVE_MINUTES = 5_000
"""Of one address. Projects are throttled by their usage plans long before."""
PROMPT_RULES = ("Log4JRCE_BODY", "JavaDeserializationRCE_BODY")
"""They look into bodies: a prompt may well ask about such an attack, and nothing here runs Java."""


class WebFirewall(Construct):
    def __init__(self, scope: Construct, *, stage_arn: str):
        super().__init__(scope, "WebFirewall")
        acl = wafv2.CfnWebACL(
            self,
            "Acl",
            scope="REGIONAL",
            default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_visible("Acl"),
            rules=[
                _managed(0, "AWSManagedRulesKnownBadInputsRuleSet", only_counted=PROMPT_RULES),
                _managed(1, "AWSManagedRulesAmazonIpReputationList"),
                _rate_limit(2),
            ],
        )
        wafv2.CfnWebACLAssociation(self, "Association", resource_arn=stage_arn, web_acl_arn=acl.attr_arn)


def _managed(priority: int, name: str, only_counted: tuple[str, ...] = ()) -> wafv2.CfnWebACL.RuleProperty:
    overrides = [
        wafv2.CfnWebACL.RuleActionOverrideProperty(
            name=rule, action_to_use=wafv2.CfnWebACL.RuleActionProperty(count={})
        )
        for rule in only_counted
    ]
    group = wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(
        vendor_name="AWS", name=name, rule_action_overrides=overrides or None
    )
    return wafv2.CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        override_action=wafv2.CfnWebACL.OverrideActionProperty(none={}),
        statement=wafv2.CfnWebACL.StatementProperty(managed_rule_group_statement=group),
        visibility_config=_visible(name),
    )


def _rate_limit(priority: int) -> wafv2.CfnWebACL.RuleProperty:
    flood = wafv2.CfnWebACL.RateBasedStatementProperty(aggregate_key_type="IP", limit=REQUESTS_PER_FIVE_MINUTES)
    return wafv2.CfnWebACL.RuleProperty(
        name="Floods",
        priority=priority,
        action=wafv2.CfnWebACL.RuleActionProperty(block={}),
        statement=wafv2.CfnWebACL.StatementProperty(rate_based_statement=flood),
        visibility_config=_visible("Floods"),
    )


def _visible(name: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
    )
