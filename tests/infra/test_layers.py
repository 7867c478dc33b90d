"""Layers: made for Lambda's machine, the same bytes every time, whole or not at all."""

import importlib.util
import struct
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra import layers
from infra.layers import dependencies_layer, python_minor, shared_layer

UNCHECKED_HASH = 0b01


@pytest.fixture(scope="module")
def dependencies() -> zipfile.ZipFile:
    return zipfile.ZipFile(dependencies_layer("x86_64"))


def test_dependencies_are_the_locked_ones(dependencies: zipfile.ZipFile) -> None:
    installed = {
        name.split("/")[1].removesuffix(".dist-info").replace("_", "-").lower()
        for name in dependencies.namelist()
        if name.split("/")[1].endswith(".dist-info")
    }
    locked = {
        line.split(";")[0].strip().replace("==", "-").replace("_", "-").lower()
        for line in layers.LOCK.read_text().splitlines()
        if line.strip() and not line.startswith("#")
    }
    assert installed == locked


def test_compiled_modules_are_for_lambdas_machine_and_python(dependencies: zipfile.ZipFile) -> None:
    tag = f"cpython-{python_minor().replace('.', '')}-x86_64-linux-gnu"
    modules = [name for name in dependencies.namelist() if name.endswith(".so")]
    assert any("pydantic_core" in name for name in modules)
    assert all(tag in name or "abi3" in name for name in modules)


def test_layer_fits_into_a_lambda(dependencies: zipfile.ZipFile) -> None:
    assert sum(entry.file_size for entry in dependencies.infolist()) < layers.MAX_UNZIPPED - 20_000_000


@pytest.mark.parametrize("make", [shared_layer, lambda: dependencies_layer("x86_64")])
def test_every_module_has_bytecode_that_is_trusted_as_it_is(make) -> None:
    archive = zipfile.ZipFile(make())
    names = set(archive.namelist())
    sources = [name for name in names if name.endswith(".py")]
    compiled = [importlib.util.cache_from_source(name) for name in sources]
    assert [name for name in compiled if name not in names] == []
    for name in compiled[:50]:
        magic, flags = struct.unpack("<4sI", archive.read(name)[:8])
        assert (magic, flags) == (importlib.util.MAGIC_NUMBER, UNCHECKED_HASH)


def test_shared_layer_holds_the_package_as_it_is(tmp_path: Path) -> None:
    zipfile.ZipFile(shared_layer()).extractall(tmp_path)
    for source in (layers.SHARED / "tunesmith").rglob("*.py"):
        copy = tmp_path / "python" / source.relative_to(layers.SHARED)
        assert copy.read_bytes() == source.read_bytes()


def test_the_same_content_is_the_same_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = []
    for place in ("one", "two"):
        monkeypatch.setattr(layers, "CACHE", tmp_path / place)
        made.append(shared_layer())
    assert made[0].name == made[1].name
    assert made[0].read_bytes() == made[1].read_bytes()


def test_two_synths_at_once_leave_one_whole_layer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(layers, "CACHE", tmp_path)
    with ThreadPoolExecutor(4) as pool:
        made = set(pool.map(lambda _: shared_layer(), range(8)))
    assert [path.name for path in tmp_path.iterdir()] == [path.name for path in made]
    assert zipfile.ZipFile(made.pop()).testzip() is None


def test_a_python_that_lambda_does_not_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 0, "final", 0))
    with pytest.raises(ValueError, match=r"Python 3\.10 synthesizes, but Lambda runs 3\.11 to 3\.14"):
        python_minor()
