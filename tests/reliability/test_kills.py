"""Real processes of the jobs against a real server, killed at random moments of their work and started again until they
are done; and one that was given up but works on. What they leave is what an undisturbed job leaves.

That SIGTERM makes `finetune` write a checkpoint and exit with 75 is in tests/batch_jobs/finetune/test_signals.py; that
nothing outlives a killed local cloud is in tests/infra/local_cloud/test_control.py.
"""

import copy
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch

from infra.local_cloud import locks
from tests.conftest import REGION, LambdaContext, create_buckets, create_table
from tests.support.account import Account, Backup, differences, hollow_marks
from tests.support.journey import JOBS, STEPS, Journey, open_platform, questions
from tests.support.local_cloud import running_cloud
from tests.support.sagemaker_promises import keep_promises
from tunesmith.adapters import dynamo
from tunesmith.contracts.jobs import ExitCode
from tunesmith.contracts.tables import TABLES

ROUNDS, KILLS_PER_ROUND = 4, 3
PATIENCE = 120
SETTLING_SECONDS = 0.3
"""For the server to be done with what the killed process had asked for."""

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Work:
    """One job of an undisturbed journey: the account before it, and after."""

    job: str
    uri: str
    before: Backup
    picture: dict

    def start(self) -> "subprocess.Popen[str]":
        """A process of the job that has begun to work, or has found the work done."""
        command = [sys.executable, "-m", f"batch_jobs.{self.job}", self.uri]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdout.readline()
        return process

    def finish(self) -> None:
        process = self.start()
        _, told = process.communicate(timeout=PATIENCE)
        assert process.returncode == ExitCode.DONE, told

    def lifetime(self) -> float:
        """Seconds that an undisturbed process lives after it began to work; the second half of them is its end."""
        self.before.restore()
        process, started = self.start(), time.monotonic()
        process.communicate(timeout=PATIENCE)
        return time.monotonic() - started

    def defects(self) -> list[str]:
        account = Account({})
        return [*differences(self.picture, account.picture), *hollow_marks(account)]


@pytest.fixture(scope="module")
def works(tmp_path_factory) -> Iterator[dict[str, Work]]:
    """The journey of an upload up to its evaluation, undisturbed."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("kills")
    with pytest.MonkeyPatch.context() as patch, running_cloud(folder / "cloud", [locks]) as cloud:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("AWS_ENDPOINT_URL", cloud.url)
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.delenv("TUNESMITH_CACHE", raising=False)
        dynamo.client.cache_clear()
        keep_promises(patch)
        create_buckets()
        edges = open_platform(patch, {spec.name: create_table(spec) for spec in TABLES}, folder / "base")
        journey = Journey(edges, LambdaContext(), edges.upload(body=questions(24)))
        found: dict[str, Work] = {}
        for step in STEPS[: [step.name for step in STEPS].index("evaluate") + 1]:
            uri = step.event(journey) if step.name in JOBS else ""
            before = Backup()
            journey.deliver(step)
            if step.name in JOBS:
                found[step.name] = Work(step.name, uri, before, copy.deepcopy(Account({}).picture))
        yield found
    dynamo.client.cache_clear()


def kill(process: "subprocess.Popen[str]") -> bool:
    """Whether it was still alive."""
    process.kill()
    process.communicate(timeout=PATIENCE)
    time.sleep(SETTLING_SECONDS)
    return process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("job", JOBS)
def test_job_killed_at_random_leaves_what_an_undisturbed_one_leaves(works, job):
    work, dice, kills = works[job], random.Random(f"kills of {job}"), 0
    lifetime = work.lifetime()
    for _ in range(ROUNDS):
        work.before.restore()
        for _ in range(KILLS_PER_ROUND):
            process = work.start()
            time.sleep(dice.uniform(0, lifetime / 2))
            kills += kill(process)
            assert hollow_marks(Account({})) == []
        work.finish()
        assert work.defects() == []
    assert kills >= ROUNDS, "most processes ended before they were killed, so nothing was shown"


@pytest.mark.parametrize("job", JOBS)
def test_attempt_that_comes_back_after_another_took_over_writes_nothing(works, job):
    work = works[job]
    work.before.restore()
    given_up = work.start()
    os.kill(given_up.pid, signal.SIGSTOP)
    time.sleep(SETTLING_SECONDS)
    work.finish()
    assert work.defects() == []
    os.kill(given_up.pid, signal.SIGCONT)
    _, told = given_up.communicate(timeout=PATIENCE)
    assert given_up.returncode != ExitCode.DONE and "FENCED" in told.upper()
    assert work.defects() == []
