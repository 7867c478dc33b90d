"""The local cloud, with the plug-ins that a test module names in PLUGINS."""

from collections.abc import Iterator

import pytest

from infra.local_cloud.cloud import Cloud
from tests.support.local_cloud import running_cloud


@pytest.fixture(scope="module")
def cloud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    options = getattr(request.module, "CLOUD", {})
    with running_cloud(tmp_path_factory.mktemp("cloud"), request.module.PLUGINS, **options) as running:
        yield running
