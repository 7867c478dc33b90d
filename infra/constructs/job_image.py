"""The image of a job, built where `cdk deploy` runs, from the repository's root."""

from aws_cdk import aws_ecr_assets as ecr_assets
from constructs import Construct

from infra.layers import REPOSITORY
from tunesmith.contracts.jobs import JobName

LIBRARIES = ("harness", "modeling")


class JobImage(ecr_assets.DockerImageAsset):
    """`batch_jobs/<name>/Dockerfile`. Its context has what `.dockerignore` lets in, less the other jobs: a change in
    one job builds no other job's image."""

    def __init__(self, scope: Construct, name: JobName):
        super().__init__(
            scope,
            "Image",
            directory=str(REPOSITORY),
            file=f"batch_jobs/{name}/Dockerfile",
            exclude=_other_jobs(name),
            platform=ecr_assets.Platform.LINUX_AMD64,
        )


def _other_jobs(name: JobName) -> list[str]:
    folders = sorted(path.name for path in (REPOSITORY / "batch_jobs").iterdir() if path.is_dir())
    return [f"batch_jobs/{folder}" for folder in folders if folder not in (name, *LIBRARIES)]
