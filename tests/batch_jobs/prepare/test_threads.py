"""Threads are as many as the processors that the job was given."""

import os

import pytest

from batch_jobs.prepare.threads import Workers, cores
from tunesmith.contracts.environment import VCPUS


def test_job_uses_no_more_processors_than_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VCPUS, "1")
    assert cores() == 1
    with Workers() as workers:
        assert workers.count == 1


@pytest.mark.parametrize("given", [None, "1000"])
def test_nor_more_than_it_sees(monkeypatch: pytest.MonkeyPatch, given: str | None) -> None:
    monkeypatch.delenv(VCPUS, raising=False)
    if given:
        monkeypatch.setenv(VCPUS, given)
    assert cores() == len(os.sched_getaffinity(0))
