"""What may differ between two deployments. Nothing below `infra/app.py` asks which stage it is in."""

from dataclasses import dataclass
from enum import StrEnum

from tunesmith.contracts.machines import MOST_VCPUS


class Network(StrEnum):
    """How job machines reach the AWS APIs. No inbound connection is ever allowed."""

    PUBLIC = "public"
    """Public addresses while they run: costs nothing when nothing runs."""
    NAT = "nat"
    """Private subnets behind one NAT gateway: about 35 USD a month, idle or not."""
    ENDPOINTS = "endpoints"
    """Isolated subnets and interface endpoints: no way out but to AWS; about 117 USD a month."""


@dataclass(frozen=True, slots=True)
class ProjectLimits:
    """How fast the API keys of one project, all together, may call."""

    name: str
    requests_per_second: int = 20
    burst: int = 40


@dataclass(frozen=True, slots=True)
class Config:
    stage: str = "dev"
    account: str | None = None
    """None, and `region` None: the account and region of whoever deploys."""
    region: str | None = None
    projects: tuple[ProjectLimits, ...] = (ProjectLimits("demo"),)
    """Projects with limits of their own."""
    other_projects: ProjectLimits = ProjectLimits("other-projects")
    """The limits of each project that is not listed; `tunesmith keys create` lets it in."""
    notification_email: str | None = None
    architecture: str = "x86_64"
    """Of functions and their layers: x86_64 or arm64."""
    network: Network = Network.PUBLIC
    web_firewall: bool = True
    """AWS WAF before the API: about 8 USD a month."""
    deletion_protection: bool = True
    """Tables refuse to be deleted. Buckets and tables are kept in any case when their stack goes."""
    log_retention_days: int = 90
    traffic_retention_days: int = 90
    cors_origins: tuple[str, ...] = ("*",)
    max_vcpus: int = MOST_VCPUS
    """Of each compute environment; with nothing to do they have none. A recipe may ask for so many for one job."""

    def __post_init__(self) -> None:
        """Raises ValueError where a job that a recipe may ask for would wait for ever."""
        if self.max_vcpus < MOST_VCPUS:
            raise ValueError(
                f"max_vcpus: {self.max_vcpus} are fewer than the {MOST_VCPUS} that prepare.vcpus may ask for, and such "
                "a job would never start: lower what contracts/machines.py lets one job have, and recipes are refused"
            )


def stage_config(stage: str) -> Config:
    """The configuration of a named stage. Raises ValueError for a stage that nobody described."""
    stages = {
        "dev": Config(stage="dev", deletion_protection=False, log_retention_days=30, traffic_retention_days=30),
        "prod": Config(stage="prod", network=Network.NAT),
    }
    if stage not in stages:
        raise ValueError(f"stage {stage!r}: expected one of {', '.join(stages)}; describe a new one in infra/config.py")
    return stages[stage]
