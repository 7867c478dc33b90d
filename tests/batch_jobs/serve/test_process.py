"""The container over a real port: a SIGTERM in the middle of an answer, clients that hang up."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
import uvicorn

from batch_jobs.serve.app import create_app
from batch_jobs.serve.served import load_served

LONG_ANSWER = {
    "model": "docs",
    "messages": [{"role": "user", "content": "Tell me everything."}],
    "seed": 4,
    "temperature": 2,
    "stream": True,
}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def process(pristine) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port()
    told = {"SAGEMAKER_BASE_DIR": str(pristine.root), "SAGEMAKER_BIND_TO_PORT": str(port), "MAX_NEW_TOKENS": "400"}
    command, url = [sys.executable, "-m", "batch_jobs.serve"], f"http://127.0.0.1:{port}"
    process = subprocess.Popen(command, env=os.environ | told | {"OMP_NUM_THREADS": "1"})
    try:
        wait_until_ready(url, lambda: process.poll() is None)
        yield process, url
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def url(pristine) -> Iterator[str]:
    app, port = create_app(load_served(pristine.root), max_new_tokens=400), free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until_ready(f"http://127.0.0.1:{port}", thread.is_alive)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def wait_until_ready(url: str, is_running: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert is_running(), "the server ended before it was ready"
        try:
            if httpx.get(f"{url}/ping").status_code == 200:
                return
        except httpx.ConnectError:
            time.sleep(0.2)
    raise TimeoutError("the server did not become ready")


def test_server_finishes_its_answers_when_told_to_stop(process) -> None:
    running, url = process
    with httpx.stream("POST", f"{url}/invocations", json=LONG_ANSWER, timeout=60) as response:
        lines = response.iter_lines()
        next(lines)
        running.send_signal(signal.SIGTERM)
        told = [line for line in lines if line]
    assert told[-1] == "data: [DONE]"
    assert len(told) > 10
    assert running.wait(timeout=30) in (0, -signal.SIGTERM)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/ping")


def test_client_that_hangs_up_frees_its_turn(url: str) -> None:
    for _ in range(12):  # more than may wait
        with httpx.stream("POST", f"{url}/invocations", json=LONG_ANSWER, timeout=60) as response:
            next(response.iter_lines())
    short = LONG_ANSWER | {"stream": False, "max_tokens": 1}
    assert httpx.post(f"{url}/invocations", json=short, timeout=60).status_code == 200
