"""Model folders: what is refused, and that the cache never hands out anything else than what was asked for."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from batch_jobs.modeling import folders
from tests.support.tiny_model import write_tiny_base
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.datasets import FileEntry
from tunesmith.contracts.errors import IntegrityError, NotFound, UnsafeArtifact
from tunesmith.contracts.models import ModelReference


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> ModelReference:
    folder = tmp_path_factory.mktemp("bases") / "tiny"
    manifest = write_tiny_base(folder)
    return ModelReference(uri=f"{folder}/", digest=manifest.digest)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))
    folders.cache_folder.cache_clear()
    yield tmp_path / "cache" / "models"
    folders.cache_folder.cache_clear()


def folder_of(tmp_path: Path, **files: str) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_clean_folder_passes(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, config__json='{"vocab": {"auto_map": 17}, "auto_mapping": null}', README__md="hi")
    folders.verify_folder(folder, folders.list_files(folder))


@pytest.mark.parametrize("name", ["model.bin", "adapter.pt", "modeling.py", "weights.pkl", "x.so", "noext"])
def test_file_that_could_carry_code_is_refused(tmp_path: Path, name: str) -> None:
    folder = folder_of(tmp_path)
    (folder / name).write_bytes(b"x")
    with pytest.raises(UnsafeArtifact, match=name):
        folders.verify_folder(folder, folders.list_files(folder))


@pytest.mark.parametrize(
    "config",
    [
        {"auto_map": {"AutoModel": "evil.Model"}},
        {"deep": [{"er": {"auto_map": None}}]},
        {"trust_remote_code": True},
        {"auto_mapping": {"parent_library": "evil"}},
        {"megatron_config": {}, "megatron_core": "evil"},
    ],
)
def test_configuration_that_names_code_is_refused(tmp_path: Path, config: dict[str, object]) -> None:
    folder = folder_of(tmp_path, config__json=json.dumps(config))
    with pytest.raises(UnsafeArtifact, match="run code"):
        folders.verify_folder(folder, folders.list_files(folder))


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\udcff".encode("utf8", "surrogateescape").decode("latin1")])
def test_unreadable_json_is_refused_and_crashes_nothing(tmp_path: Path, text: str) -> None:
    folder = folder_of(tmp_path, config__json=text)
    with pytest.raises(UnsafeArtifact, match="JSON"):
        folders.verify_folder(folder, folders.list_files(folder))


def test_link_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, config__json="{}")
    (folder / "tokenizer.json").symlink_to("/etc/hostname")
    with pytest.raises(UnsafeArtifact, match="links"):
        folders.list_files(folder)


@pytest.mark.parametrize("path", ["../config.json", "/etc/config.json", "a/../../config.json", "..\\config.json"])
def test_listed_path_outside_the_folder_is_refused(path: str) -> None:
    with pytest.raises(UnsafeArtifact, match="inside its own folder"):
        folders.check_paths([FileEntry(path=path, bytes=1, sha256="0" * 64)])


def test_extra_missing_and_changed_files_are_told_apart(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, config__json="{}", extra__txt="x")
    files = folders.list_files(folder)
    with pytest.raises(IntegrityError, match="extra"):
        folders.verify_folder(folder, files[:1])
    (folder / "extra.txt").write_text("y")
    with pytest.raises(IntegrityError, match="expected sha256"):
        folders.verify_folder(folder, files)


def test_fetched_base_lies_under_its_digest(published: ModelReference, cache: Path) -> None:
    found = folders.fetch_base(Storage(), published)
    assert found == cache / published.digest
    assert folders.folder_digest(folders.list_files(found)) == published.digest


def test_damaged_cache_is_fetched_again(published: ModelReference, cache: Path) -> None:
    weights = folders.fetch_base(Storage(), published) / "model.safetensors"
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + b"?")
    assert (folders.fetch_base(Storage(), published) / "model.safetensors").read_bytes() == good
    assert [path.name for path in cache.iterdir()] == [published.digest]


def test_wrong_digest_leaves_nothing_in_the_cache(published: ModelReference, cache: Path) -> None:
    with pytest.raises(IntegrityError, match="expected digest"):
        folders.fetch_base(Storage(), published.model_copy(update={"digest": "0" * 64}))
    assert list(cache.iterdir()) == []


def test_absent_model_is_not_found(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(NotFound):
        folders.fetch_base(Storage(), ModelReference(uri=f"{tmp_path}/none/", digest="0" * 64))


def test_many_fetches_at_once_agree(published: ModelReference, cache: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: folders.fetch_base(Storage(), published), range(16)))
    assert set(found) == {cache / published.digest}
    assert [path.name for path in cache.iterdir()] == [published.digest]
