"""Who may import what: the table of docs/architecture.md, executable."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = "layers/shared/python/tunesmith"
AWS = {"boto3", "botocore", "moto"}
HEAVY = {"torch", "transformers", "peft", "sagemaker", "pyarrow", "daft", "pandas", "numpy", "evaluate", "datasets"}
OUTER = {"functions", "batch_jobs", "infra", "tunesmith_cli", "aws_cdk", "tests"}
CLOCKS = {"time", "random", "secrets", "uuid"}

FORBIDDEN = {
    f"{SHARED}/contracts": HEAVY
    | AWS
    | OUTER
    | {"aws_lambda_powertools", "tunesmith.domain", "tunesmith.adapters", "tunesmith.entry"},
    f"{SHARED}/domain": HEAVY
    | AWS
    | OUTER
    | CLOCKS
    | {"aws_lambda_powertools", "tunesmith.adapters", "tunesmith.entry"},
    f"{SHARED}/adapters": HEAVY | OUTER | {"aws_lambda_powertools", "tunesmith.entry"},
    f"{SHARED}/entry": HEAVY | OUTER | {"boto3", "tunesmith.adapters"},
    "functions": HEAVY | (OUTER - {"functions"}) | {"moto"},
    "batch_jobs": (OUTER - {"batch_jobs"}) | {"aws_lambda_powertools", "tunesmith.entry", "moto"},
    "infra": HEAVY
    | (OUTER - {"infra", "aws_cdk"})
    | AWS
    | {"tunesmith.adapters", "tunesmith.entry", "tunesmith.domain"},
    "infra/local_cloud": HEAVY | (OUTER - {"infra"}) | {"tunesmith.entry"},
    "scripts/cli": HEAVY | (OUTER - {"tunesmith_cli", "infra"}) | {"moto", "tunesmith.entry"},
}
LIBRARIES = {"harness", "modeling"}  # of the jobs: no jobs themselves


def imported_modules(source: str) -> set[str]:
    """Dotted names of all that the source imports, at whatever depth."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


def violations(place: str, source: str) -> set[str]:
    """What the source of a file at `place` (relative to the repository) imports and may not."""
    folder = max((f for f in FORBIDDEN if place.startswith(f + "/")), key=len)
    found = imported_modules(source)
    bad = {name for name in found if any(name == no or name.startswith(no + ".") for no in FORBIDDEN[folder])}
    return bad | _siblings(Path(place), found)


def _siblings(place: Path, found: set[str]) -> set[str]:
    """Imports of another function, or of another job."""
    if place.parts[0] not in ("functions", "batch_jobs") or len(place.parts) < 3:
        return set()
    allowed = {place.parts[1]} | (LIBRARIES if place.parts[0] == "batch_jobs" else set())
    inside = {name.split(".")[1] for name in found if name.startswith(place.parts[0] + ".")}
    return {f"{place.parts[0]}.{name}" for name in inside - allowed}


def sources() -> list[str]:
    folders = {folder.split("/")[0] if not folder.startswith(("layers", "scripts")) else folder for folder in FORBIDDEN}
    return sorted(
        {
            path.relative_to(ROOT).as_posix()
            for folder in folders
            for path in (ROOT / folder).rglob("*.py")
            if "build" not in path.parts
        }
    )


@pytest.mark.parametrize("place", sources())
def test_file_imports_nothing_that_it_may_not(place: str) -> None:
    assert violations(place, (ROOT / place).read_text()) == set()


@pytest.mark.parametrize(
    ("place", "planted"),
    [
        (f"{SHARED}/contracts/runs.py", "import boto3"),
        (f"{SHARED}/domain/gating.py", "import random"),
        (f"{SHARED}/domain/gating.py", "from tunesmith.adapters.storage import Storage"),
        (f"{SHARED}/adapters/storage.py", "from tunesmith.entry import observability"),
        ("functions/gate_model/handler.py", "import torch"),
        ("functions/gate_model/handler.py", "from functions.plan_run import handler"),
        ("functions/gate_model/handler.py", "def f():\n    import pyarrow.parquet"),
        ("batch_jobs/finetune/lora.py", "from batch_jobs.prepare import splitting"),
        ("batch_jobs/finetune/lora.py", "import batch_jobs.prepare.deciding"),
        ("batch_jobs/finetune/lora.py", "import functions.plan_run"),
        ("infra/stacks/storage.py", "import boto3"),
        ("infra/stacks/storage.py", "from tunesmith.adapters import storage"),
        ("infra/local_cloud/server.py", "from batch_jobs.serve import app"),
        ("scripts/cli/tunesmith_cli/main.py", "from batch_jobs.prepare import splitting"),
    ],
)
def test_planted_violation_is_caught(place: str, planted: str) -> None:
    assert violations(place, planted)


@pytest.mark.parametrize(
    ("place", "allowed"),
    [
        ("functions/gate_model/handler.py", "from functions.gate_model import evidence"),
        ("batch_jobs/finetune/lora.py", "from batch_jobs.modeling import masking"),
        ("infra/local_cloud/server.py", "import moto, boto3"),
    ],
)
def test_permitted_import_passes(place: str, allowed: str) -> None:
    assert violations(place, allowed) == set()
