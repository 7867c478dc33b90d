"""Where the parts of a deployed platform are: one JSON parameter that the CLI and the local cloud read."""

from tunesmith.contracts.base import Contract

PLATFORM_PARAMETER = "/tunesmith/platform"


class Platform(Contract):
    """The value of the SSM parameter `PLATFORM_PARAMETER`."""

    uploads_bucket: str
    artifacts_bucket: str
    models_bucket: str
    tables: dict[str, str]
    """TableSpec.name -> physical name."""
    state_machine_arn: str
    cpu_queue_arn: str
    gpu_queue_arn: str
    job_log_group: str
    """Every job's log lines; a stream per job."""
    api_url: str
    """Ends in `/v1`."""
    other_projects_plan_id: str
    """Usage plan of the projects that the deployment does not list."""
    notifications_topic_arn: str
    functions: dict[str, str]
    """Folder name -> physical function name."""
