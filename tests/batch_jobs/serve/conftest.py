"""A tiny model and adapter, laid out as SageMaker lays them out in a container."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from batch_jobs.serve.served import BASE_FOLDER, MODEL_FOLDER
from tests.support.tiny_adapter import write_tiny_adapter
from tests.support.tiny_model import write_tiny_base
from tunesmith.contracts.models import AdapterManifest, BaseModelManifest


@dataclass(frozen=True)
class Container:
    """What lies under /opt/ml."""

    root: Path
    base: BaseModelManifest
    adapter: AdapterManifest

    @property
    def base_dir(self) -> Path:
        return self.root / BASE_FOLDER

    @property
    def adapter_dir(self) -> Path:
        return self.root / MODEL_FOLDER


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Container:
    root = tmp_path_factory.mktemp("ml")
    base = write_tiny_base(root / BASE_FOLDER)
    adapter = write_tiny_adapter(root / MODEL_FOLDER, root / BASE_FOLDER, base)
    return Container(root, base, adapter)


@pytest.fixture
def container(pristine: Container, tmp_path: Path) -> Container:
    """A copy to tamper with."""
    shutil.copytree(pristine.root, tmp_path / "ml")
    return Container(tmp_path / "ml", pristine.base, pristine.adapter)
