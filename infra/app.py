"""The CDK app: what `cdk deploy` runs. `python -m infra.app` writes the templates to $CDK_OUTDIR, or to cdk.out.

cdk deploy --all                        stage dev
cdk deploy --all -c stage=prod -c email=someone@example.com -c projects=search,support
"""

import os
from dataclasses import replace

from infra.node import use_bundled_node

use_bundled_node()

from aws_cdk import App, Environment, Tags  # noqa: E402

from infra.acknowledgements import acknowledge  # noqa: E402
from infra.config import Config, Network, ProjectLimits, stage_config  # noqa: E402
from infra.stacks.compute import ComputeStack  # noqa: E402
from infra.stacks.lifecycle import LifecycleStack  # noqa: E402
from infra.stacks.observability import ObservabilityStack  # noqa: E402
from infra.stacks.serving import ServingStack  # noqa: E402
from infra.stacks.storage import StorageStack  # noqa: E402

FLAGS = {
    "@aws-cdk/core:checkSecretUsage": True,
    "@aws-cdk/aws-iam:minimizePolicies": True,
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,
    "@aws-cdk/aws-sns-subscriptions:restrictSqsDescryption": True,
    "@aws-cdk/aws-apigateway:disableCloudWatchRole": True,
    "@aws-cdk/aws-events:eventsTargetQueueSameAccount": True,
    "@aws-cdk/core:enablePartitionLiterals": True,
    "aws-cdk:enableDiffNoFail": True,
}
"""How CDK behaves, chosen here rather than in cdk.json: so the templates are the same however they are made."""


def build(app: App, config: Config) -> App:
    """All stacks, in the order in which they need each other."""
    env = Environment(account=config.account, region=config.region)
    storage = StorageStack(app, "TunesmithStorage", config=config, env=env)
    compute = ComputeStack(app, "TunesmithCompute", config=config, key=storage.key, env=env)
    serving = ServingStack(app, "TunesmithServing", config=config, storage=storage, env=env)
    lifecycle = LifecycleStack(
        app, "TunesmithLifecycle", config=config, storage=storage, compute=compute, serving=serving, env=env
    )
    ObservabilityStack(
        app,
        "TunesmithObservability",
        storage=storage,
        compute=compute,
        serving=serving,
        lifecycle=lifecycle,
        env=env,
    )
    Tags.of(app).add("application", "tunesmith")
    Tags.of(app).add("stage", config.stage)
    return app


def config_of(app: App) -> Config:
    """The stage's configuration, with what `-c key=value` says otherwise."""
    config = stage_config(app.node.try_get_context("stage") or "dev")
    said = {key: app.node.try_get_context(key) for key in ("email", "projects", "network", "architecture", "waf")}
    if said["email"]:
        config = replace(config, notification_email=said["email"])
    if said["projects"]:
        config = replace(config, projects=tuple(ProjectLimits(name) for name in said["projects"].split(",")))
    if said["network"]:
        config = replace(config, network=Network(said["network"]))
    if said["architecture"]:
        config = replace(config, architecture=said["architecture"])
    if said["waf"]:
        config = replace(config, web_firewall=said["waf"] == "on")
    return config


def main() -> None:
    app = App(outdir=os.environ.get("CDK_OUTDIR"), context=FLAGS)
    config = config_of(app)
    build(app, config)
    acknowledge(app, config)
    app.synth()


if __name__ == "__main__":
    main()
