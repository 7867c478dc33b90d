"""One local cloud for all tests of the lifecycle: real templates, handlers and jobs, and a tiny base of random weights.

The projects' first uploads go in together at the start, so that their runs share the machine.
"""

from collections.abc import Iterator

import pytest

from infra.local_cloud.control import local_cloud
from tests.support.loop import RECIPE, Loop, dataset
from tests.support.tiny_model import write_tiny_base
from tunesmith.contracts.runs import Run

BROKEN_LINES = (7, 20)


@pytest.fixture(scope="session")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    bases, patch = tmp_path_factory.mktemp("bases"), pytest.MonkeyPatch()
    write_tiny_base(bases / "tiny", name="tiny")
    patch.setenv("OMP_NUM_THREADS", "1")
    with local_cloud(tmp_path_factory.mktemp("cloud") / "state", bases=bases) as cloud:
        started = Loop(cloud)
        started.upload("demo", dataset(60, BROKEN_LINES))
        started.upload("patient", dataset(40), approval="manual", finetune=RECIPE["finetune"] | {"engine": "sagemaker"})
        yield started
    patch.undo()


@pytest.fixture(scope="session")
def first_run(loop: Loop) -> Run:
    """The run of the project `demo`, whose model is in production when it is done."""
    return loop.succeeded("demo")
