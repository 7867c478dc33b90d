"""Fencing: of all attempts of one job, only the newest may publish.

Batch and a person may start a job while an older attempt still runs (a lost machine that comes back). Each attempt
takes the next number in the job's row; whoever finds another owner there before it publishes must write nothing more.
"""

import os
from typing import Protocol

from tunesmith.contracts.environment import JobEnv
from tunesmith.contracts.errors import InvalidInput


class Fence(Protocol):
    """What an attempt holds."""

    number: int
    """Which attempt of its job it is, from 1."""

    def check(self) -> None:
        """Raises Fenced where a newer attempt has taken over."""


class Unfenced:
    """Everything is a local path, so there are no other attempts."""

    number = 1

    def check(self) -> None:
        """The only attempt is the newest."""


def fencing_table(params_uri: str) -> str | None:
    """The table of this machine. Raises InvalidInput where a job that works in S3 was given none."""
    if "JOBS_TABLE" in os.environ:
        return JobEnv.load().jobs_table
    if params_uri.startswith("s3://"):
        raise InvalidInput(
            "JOBS_TABLE is not set: a job whose params lie in S3 needs the table that fences its attempts"
        )
    return None


def take_fence(table: str | None, job_id: str) -> Fence:
    """Become the newest attempt of the job."""
    if table is None:
        return Unfenced()
    from batch_jobs.harness.fencing_table import take_next  # boto3 takes long to import, and local paths need none

    return take_next(table, job_id)
