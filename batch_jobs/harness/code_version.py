"""Which code made an artifact: recorded beside it, and compared before a checkpoint is resumed."""

import importlib.metadata
from functools import cache
from pathlib import Path

import batch_jobs
import tunesmith
from tunesmith.adapters.storage import file_entry
from tunesmith.contracts.identity import digest


@cache
def code_version() -> str:
    """The package's version and a digest of our own sources, as in 0.1.0+1f0c9d2e4b7a."""
    facts = [_sources(Path(package.__path__[0])) for package in (tunesmith, batch_jobs)]
    return f"{importlib.metadata.version('tunesmith')}+{digest(facts)[:12]}"


def _sources(root: Path) -> list[list[str]]:
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.py"))
    return [[path, file_entry(root, path).sha256] for path in paths]
