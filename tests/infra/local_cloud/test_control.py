"""The local cloud as a process: it starts, is found, stops, and leaves nothing behind however it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import psutil
import pytest
import requests

from infra.local_cloud import control, state
from infra.local_cloud.control import StartFailed
from infra.local_cloud.state import State
from tests.support.local_cloud import eventually
from tests.support.small_app import write_assembly


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_assembly(tmp_path_factory.mktemp("app") / "cdk.out")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, app: Path) -> Iterator[State]:
    with control.local_cloud(tmp_path_factory.mktemp("running"), assembly=app) as found:
        yield found


def family(pid: int) -> list[psutil.Process]:
    """A process and all its descendants."""
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


def all_gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def warm(found: State) -> list[psutil.Process]:
    """All processes of the cloud, among them a worker."""
    assert requests.get(found.api_base_url + "/x", timeout=30).json()["word"] == "hello"
    processes = family(found.pid)
    assert any("lambda_worker" in " ".join(process.cmdline()) for process in processes)
    return processes


def test_running_cloud_says_how_to_reach_it(running: State) -> None:
    assert control.status(Path(running.state_dir)) == running
    assert running.api_base_url.endswith("/v1") and running.console_url is None
    s3 = boto3.client(
        "s3",
        endpoint_url=running.endpoint_url,
        region_name=running.region,
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    assert len(s3.list_buckets()["Buckets"]) == 2
    assert requests.get(running.api_base_url + "/some/path", timeout=30).json()["path"] == "/v1/some/path"


def test_state_file_is_only_its_owner_s_to_read(running: State) -> None:
    assert (Path(running.state_dir) / "state.json").stat().st_mode & 0o077 == 0


def test_second_start_finds_the_first(running: State, app: Path) -> None:
    assert control.start(Path(running.state_dir), assembly=app) == running


def test_second_process_in_the_same_folder_is_refused(running: State) -> None:
    command = [sys.executable, "-m", "infra.local_cloud", "--state-dir", running.state_dir]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1 and "runs in" in second.stderr
    assert control.status(Path(running.state_dir)) == running


def test_stop_ends_every_process_and_says_whether_there_was_one(tmp_path: Path, app: Path) -> None:
    processes = warm(control.start(tmp_path, assembly=app))
    assert control.stop(tmp_path) is True
    assert all_gone(processes) and control.status(tmp_path) is None
    assert not (tmp_path / "state.json").exists()
    assert control.stop(tmp_path) is False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_cloud_that_is_interrupted_or_killed_leaves_no_process_behind(
    tmp_path: Path, app: Path, number: signal.Signals
) -> None:
    found = control.start(tmp_path, assembly=app)
    processes = warm(found)
    os.kill(found.pid, number)
    eventually(lambda: all_gone(processes), 60)
    assert control.status(tmp_path) is None


def test_state_of_a_dead_process_whose_id_is_somebody_else_s_is_not_believed(tmp_path: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        stale = State("http://x", "http://x/v1", None, None, str(tmp_path), bystander.pid, 1.0, "", "us-east-1")
        stale.write()
        assert control.status(tmp_path) is None and control.stop(tmp_path) is False
        assert bystander.poll() is None
        replace(stale, started_at=psutil.Process(bystander.pid).create_time()).write()
        assert state.read(tmp_path) is not None
    finally:
        bystander.kill()
        bystander.wait()


def test_start_that_fails_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    folder = write_assembly(tmp_path / "cdk.out")
    template = folder / "Storage.template.json"
    template.write_text(
        json.dumps(json.loads(template.read_text()) | {"Resources": {"Odd": {"Type": "AWS::Odd::Odd"}}})
    )
    with pytest.raises(StartFailed, match=r"Odd \(AWS::Odd::Odd\)"):
        control.start(tmp_path / "state", assembly=folder)
    assert control.status(tmp_path / "state") is None


def test_start_on_a_port_that_is_taken_says_so_and_ends(tmp_path: Path, app: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for ports in ({"port": port}, {"api_port": port}):
            with pytest.raises(StartFailed, match=f"port {port} of 127.0.0.1 is taken"):
                control.start(tmp_path / "state", assembly=app, timeout=60, **ports)


def test_whoever_is_interrupted_while_it_starts_leaves_none_behind(
    tmp_path: Path, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def interrupted(state_dir: Path) -> None:
        if (state_dir / "lock").exists():  # the process runs by now
            seen.extend(
                child.pid for child in psutil.Process().children() if str(tmp_path) in " ".join(child.cmdline())
            )
            raise KeyboardInterrupt

    monkeypatch.setattr(control, "status", interrupted)
    with pytest.raises(KeyboardInterrupt):
        control.start(tmp_path / "state", assembly=app)
    assert seen and all(state.started_at(pid) is None for pid in seen)
