"""One small dataset version for all tests of what is told of one."""

import pytest

from tests.support.datasets import LENIENT, Version, make_version, tickets
from tunesmith.contracts.preparation import LabelRecipe, ReadRecipe


@pytest.fixture(scope="session")
def version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    recipe = LENIENT.model_copy(
        update={"label": LabelRecipe(column="topic"), "read": ReadRecipe(keep_columns=["topic"])}
    )
    files = {"january.jsonl": tickets(400), "february.jsonl": tickets(200, seed=1)}
    return make_version(tmp_path_factory.mktemp("tickets"), files, recipe)
