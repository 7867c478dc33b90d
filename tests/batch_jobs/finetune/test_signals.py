"""Real processes and real signals: a machine that is taken away costs no step and changes no bit."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.batch_jobs.finetune.test_finetune import RECIPE, Workplace
from tunesmith.contracts.jobs import ExitCode, FinetuneResult

LONG = RECIPE.model_copy(update={"epochs": 40})
PATIENCE = 120.0

pytestmark = pytest.mark.slow


def start(place: Workplace, name: str) -> "subprocess.Popen[bytes]":
    folder = place.folder / name / "job"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.json").write_text(place.params(name, LONG).model_dump_json())
    variables = os.environ | {"TUNESMITH_CACHE": str(place.folder / "cache"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-m", "batch_jobs.finetune", str(folder / "params.json")], env=variables)


def result(place: Workplace, name: str) -> FinetuneResult:
    return FinetuneResult.model_validate_json((place.folder / name / "job/result.json").read_bytes())


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not file.exists():
        assert time.monotonic() < deadline, f"{file} never came"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    place = Workplace(tmp_path_factory.mktemp("signals"))
    assert start(place, "unbroken").wait(PATIENCE) == ExitCode.DONE
    return place


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, ExitCode.INTERRUPTED), (signal.SIGKILL, -signal.SIGKILL)])
def test_process_stopped_by_a_signal_resumes_to_the_identical_adapter(
    place: Workplace, sent: signal.Signals, code: int
) -> None:
    process = start(place, sent.name)
    wait_for(place.folder / sent.name / "checkpoints/step-000005/manifest.json")
    process.send_signal(sent)
    assert process.wait(PATIENCE) == code
    assert start(place, sent.name).wait(PATIENCE) == ExitCode.DONE
    assert result(place, sent.name).resumed_from_step >= 5
    assert result(place, sent.name).adapter.digest == result(place, "unbroken").adapter.digest
