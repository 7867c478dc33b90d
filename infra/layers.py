"""Lambda layers, built from the lock without Docker: `.py` and `.pyc`, in zips that come out the same every time.

A layer is kept in `.tunesmith/layers/` under the digest of all that it is made of, so a synth that changes nothing
builds nothing. Compiled packages are chosen for the function's architecture and Python, not for this machine's.
"""

import compileall
import hashlib
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
LOCK = REPOSITORY / "requirements" / "functions.txt"
SHARED = REPOSITORY / "layers" / "shared" / "python"
CACHE = REPOSITORY / ".tunesmith" / "layers"
PLATFORMS = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
SUPPORTED_MINORS = (11, 12, 13, 14)
EPOCH = (1980, 1, 1, 0, 0, 0)
MAX_UNZIPPED = 250 * 1024 * 1024
"""Lambda's limit for a function and its layers together."""


def python_minor() -> str:
    """The Python of functions: the minor version of the one that synthesizes. Raises ValueError where Lambda
    has none."""
    if sys.version_info[0] != 3 or sys.version_info[1] not in SUPPORTED_MINORS:
        found = ".".join(map(str, sys.version_info[:2]))
        raise ValueError(
            f"Python {found} synthesizes, but Lambda runs 3.{SUPPORTED_MINORS[0]} to 3.{SUPPORTED_MINORS[-1]}; "
            "make .venv with one of those: PYTHON=python3.13 scripts/setup"
        )
    return f"3.{sys.version_info[1]}"


def dependencies_layer(architecture: str) -> Path:
    """The zip of the locked packages of all functions. boto3 is among them: the runtime's own would be another
    version than the one that the tests ran with."""
    key = _digest([LOCK.read_bytes(), architecture.encode(), python_minor().encode(), Path(__file__).read_bytes()])
    return _cached(f"dependencies-{key}.zip", lambda folder: _install(folder / "python", architecture))


def shared_layer() -> Path:
    """The zip of the package `tunesmith`."""
    files = _sources(SHARED)
    content = [part for path in files for part in (path.relative_to(SHARED).as_posix().encode(), path.read_bytes())]
    key = _digest([*content, python_minor().encode(), Path(__file__).read_bytes()])
    return _cached(f"shared-{key}.zip", lambda folder: _copy(files, folder / "python"))


def _cached(name: str, build: Callable[[Path], None]) -> Path:
    """The file of that name in the cache, made by `build(folder)` where it is missing. It appears whole or not at
    all, so any number of synths may run at once."""
    target = CACHE / name
    if target.exists():
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".building-") as scratch:
        folder = Path(scratch) / "layer"
        build(folder)
        _compile(folder)
        partial = Path(scratch) / name
        _zip(folder, partial)
        partial.replace(target)
    return target


def _install(target: Path, architecture: str) -> None:
    command = [
        _uv(),
        *("pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy"),
        *("--python-platform", PLATFORMS[architecture], "--python-version", python_minor()),
        *("--target", str(target), "--requirements", str(LOCK)),
    ]
    subprocess.run(command, check=True, timeout=600, env=os.environ | _index_settings())
    shutil.rmtree(target / "bin", ignore_errors=True)
    for leftover in (*target.rglob("*.dist-info/RECORD"), *target.rglob("*.dist-info/REQUESTED"), target / ".lock"):
        leftover.unlink(missing_ok=True)


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise FileNotFoundError(f"no uv beside {sys.executable} nor on PATH: run scripts/setup")
    return found


def _index_settings() -> dict[str, str]:
    """uv does not read pip's setting for local wheels."""
    links = os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS")
    return {"UV_FIND_LINKS": links} if links else {}


def _copy(files: list[Path], target: Path) -> None:
    for path in files:
        copy = target / path.relative_to(SHARED)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def _compile(folder: Path) -> None:
    """Bytecode that is trusted without a look at the source's time, which a zip does not keep to the second."""
    compiled = compileall.compile_dir(
        folder / "python",
        quiet=1,
        stripdir=str(folder),
        prependdir="/opt",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        workers=1,
    )
    if not compiled:
        raise RuntimeError(f"{folder}: some module of the layer does not compile for Python {python_minor()}")


def _zip(folder: Path, target: Path) -> None:
    """Entries in order of name, with one date and one mode: the same content is the same file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    unzipped = sum(path.stat().st_size for path in files)
    if unzipped > MAX_UNZIPPED:
        raise ValueError(f"the layer has {unzipped:,} bytes unzipped; Lambda takes {MAX_UNZIPPED:,} at most")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, path.read_bytes())


def _sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _digest(parts: list[bytes]) -> str:
    seen = hashlib.sha256()
    for part in parts:
        seen.update(len(part).to_bytes(8) + part)
    return seen.hexdigest()[:32]
