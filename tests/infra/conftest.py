"""The app, synthesized once for all tests here."""

import pytest

from tests.infra.synthesis import Synthesized, synthesize


@pytest.fixture(scope="session")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("CDK_VALIDATION", raising=False)
        return synthesize(tmp_path_factory.mktemp("cdk") / "cdk.out")
