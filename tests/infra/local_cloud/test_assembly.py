"""Which sources an assembly is made of, and what a synth that fails says."""

import sys
from pathlib import Path

import pytest

from infra.local_cloud.assembly import KEPT_ASSEMBLIES, SynthFailed, source_digest, synthesized
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.processes import Processes

MAKE = "import os, pathlib; pathlib.Path(os.environ['CDK_OUTDIR'], 'manifest.json').write_text('{}'); print('made')"


@pytest.fixture
def cloud(tmp_path: Path):
    processes = Processes(tmp_path)
    yield Cloud("http://nowhere", tmp_path / "state", processes, python=sys.executable)
    processes.stop()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A working tree with a file of each kind."""
    for file in ("infra/app.py", "infra/local_cloud/server.py", "functions/f/handler.py", "batch_jobs/j/Dockerfile"):
        path = tmp_path / "tree" / file
        path.parent.mkdir(parents=True)
        path.write_text(file)
    (tmp_path / "state").mkdir()
    return tmp_path / "tree"


@pytest.mark.parametrize("file", ["infra/app.py", "functions/f/handler.py", "batch_jobs/j/Dockerfile", "cdk.json"])
def test_change_of_a_source_changes_the_digest(repository: Path, file: str) -> None:
    before = source_digest(repository)
    (repository / file).write_text("changed")
    assert source_digest(repository) != before


@pytest.mark.parametrize("file", ["infra/local_cloud/server.py", "README.md", "functions/f/__pycache__/handler.pyc"])
def test_change_of_anything_else_changes_nothing(repository: Path, file: str) -> None:
    before = source_digest(repository)
    (repository / file).parent.mkdir(exist_ok=True)
    (repository / file).write_text("changed")
    assert source_digest(repository) == before


def test_unchanged_sources_are_synthesized_once(cloud: Cloud, repository: Path) -> None:
    first = synthesized(cloud, repository, ("-c", MAKE))
    marker = first.folder / "marker"
    marker.touch()
    assert synthesized(cloud, repository, ("-c", MAKE)).folder == first.folder and marker.exists()


def test_old_assemblies_are_forgotten(cloud: Cloud, repository: Path) -> None:
    for number in range(KEPT_ASSEMBLIES + 2):
        (repository / "cdk.json").write_text(str(number))
        last = synthesized(cloud, repository, ("-c", MAKE))
    kept = list(last.folder.parent.iterdir())
    assert len(kept) == KEPT_ASSEMBLIES and last.folder in kept


def test_failed_synth_says_why_and_leaves_nothing(cloud: Cloud, repository: Path) -> None:
    with pytest.raises(SynthFailed, match="no such construct"):
        synthesized(cloud, repository, ("-c", "raise SystemExit('no such construct')"))
    assert not list((repository / ".tunesmith" / "cloud-assembly").iterdir())
