"""Model folders: allow-listed files, addressed by digest, verified before anything in them is read.

A folder holds safetensors, JSON and text and nothing else. Scanning pickles is no boundary, so no format that can
carry code is let in at all, and neither is a configuration that names code to load.
"""

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from pydantic import ValidationError

from tunesmith.adapters.storage import Storage, file_entry
from tunesmith.contracts.datasets import FileEntry
from tunesmith.contracts.errors import IntegrityError, UnsafeArtifact
from tunesmith.contracts.identity import digest
from tunesmith.contracts.models import AdapterManifest, BaseModelManifest, ModelReference

MANIFEST = "manifest.json"
ALLOWED_SUFFIXES = {".safetensors", ".json", ".txt", ".jinja", ".md"}
TOKENIZER_SUFFIXES = {".json", ".txt", ".jinja"}
CODE_KEYS = {"auto_map", "trust_remote_code"}
MODULE_KEYS = {"auto_mapping", "megatron_config"}
"""peft imports the modules that these name; it also writes them as null, which is harmless."""

Manifest = TypeVar("Manifest", BaseModelManifest, AdapterManifest)


def fetch_base(storage: Storage, ref: ModelReference) -> Path:
    """The verified local folder of a base model."""
    return _fetch(storage, ref, BaseModelManifest)


def fetch_tokenizer(storage: Storage, ref: ModelReference) -> Path:
    """A folder with the base's manifest, tokenizer, template and configuration, and without its weights.

    The manifest is bound to `ref`'s digest and each file to the manifest, so that what is read is the base's own.
    """
    target = cache_folder() / "tokenizers" / ref.digest
    root = ref.uri.rstrip("/") + "/"
    target.mkdir(parents=True, exist_ok=True)
    storage.download(root + MANIFEST, target / MANIFEST)
    manifest = read_manifest(target, BaseModelManifest)
    actual = folder_digest(manifest.files)
    if not actual == manifest.digest == ref.digest:
        raise IntegrityError(
            f"{ref.uri}: expected digest {ref.digest}, its manifest says {manifest.digest} and its files give {actual}"
        )
    check_paths(manifest.files)
    for entry in manifest.files:
        if PurePosixPath(entry.path).suffix in TOKENIZER_SUFFIXES:
            storage.download(root + entry.path, target / entry.path, sha256=entry.sha256)
            if entry.path.endswith(".json"):
                _check_json(target / entry.path)
    return target


def fetch_adapter(storage: Storage, ref: ModelReference) -> Path:
    """The verified local folder of a trained adapter."""
    return _fetch(storage, ref, AdapterManifest)


def list_files(folder: Path) -> list[FileEntry]:
    """Every file of the folder but its manifest, in order of path. Raises UnsafeArtifact for a link or device."""
    return [file_entry(folder, path) for path in sorted(_paths(folder)) if path != MANIFEST]


def folder_digest(files: list[FileEntry]) -> str:
    """The identity of a model folder: its paths and what is in them."""
    return digest([[entry.path, entry.sha256] for entry in sorted(files, key=lambda entry: entry.path)])


def verify_folder(folder: Path, files: list[FileEntry]) -> None:
    """Raises UnsafeArtifact for what no model folder may hold, IntegrityError where it is not the files listed."""
    check_paths(files)
    found = {entry.path: entry for entry in list_files(folder)}
    expected = {entry.path: entry for entry in files}
    if found.keys() != expected.keys():
        missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
        raise IntegrityError(f"{folder}: its manifest lists other files than it has (missing {missing}, extra {extra})")
    for path, entry in expected.items():
        if found[path] != entry:
            raise IntegrityError(
                f"{folder / path}: expected sha256 {entry.sha256} of {entry.bytes} bytes, "
                f"found {found[path].sha256} of {found[path].bytes}"
            )
        if path.endswith(".json"):
            _check_json(folder / path)


def check_paths(files: list[FileEntry]) -> None:
    """Raises UnsafeArtifact for a listed path that leaves the folder or has a suffix that is not allowed."""
    for entry in files:
        path = PurePosixPath(entry.path)
        if path.is_absolute() or ".." in path.parts or "\\" in entry.path or "\x00" in entry.path:
            raise UnsafeArtifact(f"{entry.path!r}: a model's files must lie inside its own folder")
        if path.suffix not in ALLOWED_SUFFIXES:
            raise UnsafeArtifact(
                f"{entry.path!r}: a model folder holds {', '.join(sorted(ALLOWED_SUFFIXES))} files only; "
                "convert pickled weights to safetensors and leave code out"
            )


def read_manifest(folder: Path, manifest_type: type[Manifest]) -> Manifest:
    """The folder's manifest. Raises IntegrityError where it has none, or one of another shape."""
    try:
        return manifest_type.model_validate_json((folder / MANIFEST).read_bytes())
    except (FileNotFoundError, ValidationError) as error:
        raise IntegrityError(f"{folder / MANIFEST}: no valid {manifest_type.__name__}: {error}") from error


@cache
def cache_folder() -> Path:
    """Where verified folders are kept: $TUNESMITH_CACHE, else a directory that lasts as long as this process."""
    configured = os.environ.get("TUNESMITH_CACHE")
    if configured:
        return Path(configured)
    temporary = tempfile.mkdtemp(prefix="tunesmith-cache-")
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return Path(temporary)


def _fetch(storage: Storage, ref: ModelReference, manifest_type: type[Manifest]) -> Path:
    """The folder out of the cache, checked again; what is not there, or no longer whole, is downloaded."""
    target = cache_folder() / "models" / ref.digest
    if target.is_dir():
        try:
            _verify_whole(target, ref, manifest_type)
            return target
        except IntegrityError:
            _discard(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetching-") as temporary:
        partial = Path(temporary) / "folder"
        _download(storage, ref, manifest_type, partial)
        _verify_whole(partial, ref, manifest_type)
        _publish(partial, target)
    _verify_whole(target, ref, manifest_type)
    return target


def _download(storage: Storage, ref: ModelReference, manifest_type: type[Manifest], folder: Path) -> None:
    root = ref.uri.rstrip("/") + "/"
    storage.download(root + MANIFEST, folder / MANIFEST)
    files = read_manifest(folder, manifest_type).files
    check_paths(files)  # before any of them becomes a path on this machine
    storage.download_folder(root, files, folder)


def _verify_whole(folder: Path, ref: ModelReference, manifest_type: type[Manifest]) -> None:
    manifest = read_manifest(folder, manifest_type)
    actual = folder_digest(manifest.files)
    if not actual == manifest.digest == ref.digest:
        raise IntegrityError(
            f"{ref.uri}: expected digest {ref.digest}, its manifest says {manifest.digest} and its files give {actual}"
        )
    verify_folder(folder, manifest.files)


def _publish(partial: Path, target: Path) -> None:
    """Give the folder its name; where another process was first, its folder has the same digest and is kept."""
    try:
        partial.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def _discard(folder: Path) -> None:
    """Take a damaged folder out of the cache in one step, so that nobody sees it half deleted."""
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".damaged-"))
    with suppress(FileNotFoundError):  # another process discarded it first
        folder.rename(aside / "folder")
    shutil.rmtree(aside)


def _paths(folder: Path) -> Iterator[str]:
    for root, directories, names in os.walk(folder):
        for name in directories + names:
            path = Path(root) / name
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise UnsafeArtifact(
                    f"{path}: links and devices are not allowed in a model folder; copy the file there"
                )
        yield from ((Path(root) / name).relative_to(folder).as_posix() for name in names)


def _check_json(file: Path) -> None:
    """Raises UnsafeArtifact where the JSON asks, at any depth, for code to be loaded."""
    try:
        pending: list[Any] = [json.loads(file.read_bytes())]
    except (ValueError, RecursionError) as error:
        raise UnsafeArtifact(f"{file}: not readable as JSON: {error}") from error
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += value
        elif isinstance(value, dict):
            _check_keys(file, value)
            pending += value.values()


def _check_keys(file: Path, value: dict[str, Any]) -> None:
    for key in value.keys() & (CODE_KEYS | MODULE_KEYS):
        is_token_id = type(value[key]) is int  # a vocabulary may well contain the word
        if not is_token_id and not (key in MODULE_KEYS and value[key] is None):
            raise UnsafeArtifact(f"{file}: {key!r} makes loaders run code that comes with a model; remove it")
