"""A function's code on disk: its asset and its layers, unpacked once for each content.

Our own code always comes from what was published. Compiled packages come from a layer only where it was built for this
machine and this Python; else the layer is left out and the environment's own packages are used.
"""

import io
import os
import platform
import shutil
import sys
import time
import uuid
import zipfile
from pathlib import Path
from typing import Any

from moto.awslambda.models import LambdaFunction
from moto.awslambda.utils import get_backend

KEPT_SECONDS = 2 * 24 * 3600
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def import_roots(function: LambdaFunction, cache: Path) -> list[Path]:
    """Folders to put on sys.path, the function's own first."""
    roots = [unpacked(function.code_bytes, function.code_digest, cache)]
    for layer in function.layers:
        version = get_backend(function.account_id, function.region).layers_versions_by_arn(layer["Arn"])
        if version is None:
            raise FileNotFoundError(f"{function.function_name}: its layer {layer['Arn']} is not there any more.")
        if runs_here(version.code_bytes, function):
            folder = unpacked(version.code_bytes, version.code_digest, cache)
            roots += [path for path in (folder / "python", folder / "python" / "lib") if path.is_dir()]
    return roots


def runs_here(layer: bytes, function: LambdaFunction) -> bool:
    """Whether the layer has no compiled modules, or has them for this machine."""
    with zipfile.ZipFile(io.BytesIO(layer)) as archive:
        compiled = any(name.endswith(".so") for name in archive.namelist())
    return not compiled or built_for_here(function)


def built_for_here(function: Any) -> bool:
    here = f"python{sys.version_info.major}.{sys.version_info.minor}"
    machine = ARCHITECTURES.get(platform.machine().lower())
    return sys.platform == "linux" and function.run_time == here and function.architectures == [machine]


def unpacked(code: bytes, digest: str, cache: Path) -> Path:
    """The folder with a zip's content."""
    folder = cache / digest[:32]
    if not folder.exists():
        fresh = cache / f".{uuid.uuid4().hex}"
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            archive.extractall(fresh)
        try:
            fresh.rename(folder)
        except OSError:
            if not folder.exists():  # no other thread was faster
                raise
    os.utime(folder)
    return folder


def forget_unused(cache: Path) -> None:
    """Remove code that no function has used for days."""
    for folder in cache.iterdir():
        if time.time() - folder.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(folder)
