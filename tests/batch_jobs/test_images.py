"""Images: what each Dockerfile promises, and (slow) that its install line works with what the build context admits.

No Docker runs here, so the install line runs in a fresh virtual environment on a copy of the context.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath

import pytest

from tunesmith.contracts.jobs import JobName

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted((ROOT / "batch_jobs").glob("*/Dockerfile"))
PINNED_IMAGE = re.compile(r"[a-z0-9./-]+:\d+\.\d+\.\d+[a-z0-9.-]*(@sha256:[0-9a-f]{64})?")
CONTEXT_PATH = re.compile(r"/src/([\w./-]+)")

IMPORT_ALL = """
import importlib, importlib.util, pkgutil, sys
job = f"batch_jobs.{sys.argv[1]}"
package = importlib.import_module(job)
for module in pkgutil.iter_modules(package.__path__, job + "."):
    if not module.ispkg:
        importlib.import_module(module.name)
importlib.import_module(job + ".__main__")
assert importlib.util.find_spec("functions") is None, "the image holds functions"
assert importlib.util.find_spec("infra") is None, "the image holds infra"
"""


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """(INSTRUCTION, rest) of each line; continued lines joined, comments left out."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    pairs = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [(word.upper(), rest) for word, rest in pairs]


def arguments(dockerfile: Path, instruction: str) -> list[str]:
    return [rest for word, rest in instructions(dockerfile) if word == instruction]


def is_admitted(path: str) -> bool:
    """Whether .dockerignore lets the path into the build context; its last pattern that matches decides."""
    lineage = [str(part) for part in (PurePosixPath(path), *PurePosixPath(path).parents)]
    admitted = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            pattern = _regex(line.removeprefix("!").strip("/"))
            if any(pattern.fullmatch(part) for part in lineage if part != "."):
                admitted = line.startswith("!")
    return admitted


def _regex(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*|\?)", pattern)
    wild = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(wild.get(part, re.escape(part)) for part in parts))


def install_line(dockerfile: Path) -> str:
    (line,) = [run for run in arguments(dockerfile, "RUN") if "pip install" in run]
    return line


def job_of(dockerfile: Path) -> str:
    return dockerfile.parent.name


each_image = pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=job_of)


def test_every_job_has_an_image() -> None:
    assert {job_of(dockerfile) for dockerfile in DOCKERFILES} == set(JobName)


@each_image
def test_base_image_is_pinned(dockerfile: Path) -> None:
    images = arguments(dockerfile, "FROM")
    assert images and all(PINNED_IMAGE.fullmatch(image.split()[0]) for image in images)


@each_image
def test_base_image_runs_a_python_that_the_project_supports(dockerfile: Path) -> None:
    version = re.search(r"python:(\d+)\.(\d+)", arguments(dockerfile, "FROM")[-1])
    assert version and (int(version[1]), int(version[2])) == sys.version_info[:2]


@each_image
def test_container_does_not_run_as_root(dockerfile: Path) -> None:
    """The last USER counts, and nothing after it may need to be root."""
    words = [word for word, _ in instructions(dockerfile)]
    user = arguments(dockerfile, "USER")[-1].split(":")[0]
    assert user not in ("root", "0")
    assert not {"RUN", "COPY", "ADD"} & set(words[len(words) - words[::-1].index("USER") :])


@each_image
def test_what_is_copied_or_run_is_in_the_context(dockerfile: Path) -> None:
    sources = [source for copy in arguments(dockerfile, "COPY") for source in shlex.split(copy)[:-1]]
    named = [found for run in arguments(dockerfile, "RUN") for found in CONTEXT_PATH.findall(run)]
    paths = [path for path in sources + named if path != "."]
    assert sources
    assert [path for path in paths if not (is_admitted(path) and (ROOT / path).exists())] == []


@each_image
def test_install_takes_the_jobs_extra_at_the_locked_versions(dockerfile: Path) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    words = shlex.split(install_line(dockerfile))
    assert words[words.index("-c") + 1] == "/src/requirements/all.txt"
    installed = re.fullmatch(r"/src\[([\w,-]+)\]", words[-1])
    assert installed
    job, *others = installed[1].split(",")
    assert job == job_of(dockerfile) in extras
    assert all(other.startswith(f"{job}-") and other in extras for other in others)


@each_image
def test_no_secret_or_setting_of_one_account_is_baked_in(dockerfile: Path) -> None:
    baked = " ".join(arguments(dockerfile, "ENV") + arguments(dockerfile, "ARG"))
    assert not re.search(r"AWS_|TOKEN|SECRET|PASSWORD|s3://", baked)


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".venv/bin/python",
        ".tunesmith/bases/x.json",
        "functions/plan_run/handler.py",
        "infra/app.py",
        "tests/conftest.py",
        "layers/shared/build/x.zip",
        "batch_jobs/evaluate/__pycache__/scoring.cpython-311.pyc",
    ],
)
def test_context_leaves_out(path: str) -> None:
    assert not is_admitted(path)


@pytest.mark.parametrize(
    "path",
    [
        "pyproject.toml",
        "requirements/all.txt",
        "layers/shared/python/tunesmith/contracts/jobs.py",
        "batch_jobs/evaluate/scoring.py",
    ],
)
def test_context_admits(path: str) -> None:
    assert is_admitted(path)


@pytest.fixture(scope="session")
def context_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a build of an image would be sent."""
    target = tmp_path_factory.mktemp("context")
    for folder, folders, files in os.walk(ROOT):
        here = Path(folder).relative_to(ROOT)
        folders[:] = [name for name in folders if is_admitted((here / name).as_posix())]
        for file in files:
            if is_admitted((here / file).as_posix()):
                (target / here).mkdir(parents=True, exist_ok=True)
                shutil.copy2(Path(folder) / file, target / here / file)
    return target


@pytest.mark.slow
@each_image
def test_install_line_makes_an_environment_that_runs_the_job(
    dockerfile: Path, context_copy: Path, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True, timeout=120)
    python = tmp_path / "venv/bin/python"
    inside = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    inside["PATH"] = f"{python.parent}:{inside['PATH']}"
    install = install_line(dockerfile).replace("/src", str(context_copy))
    subprocess.run(install, shell=True, check=True, env=inside, cwd=tmp_path, timeout=1200)
    for command in (["-m", "pip", "check"], ["-c", IMPORT_ALL, job_of(dockerfile)]):
        done = subprocess.run(
            [str(python), *command], env=inside, cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(tmp_path / "venv")
