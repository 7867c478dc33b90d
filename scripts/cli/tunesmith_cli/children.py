"""Programs of `batch_jobs.prepare` that answer the command: children, so that it stays light itself."""

import subprocess
import sys
from collections.abc import Sequence
from typing import TypeVar

import typer
from pydantic import ValidationError

from tunesmith.contracts.base import Contract
from tunesmith_cli import account
from tunesmith_cli.console import fail

Answer = TypeVar("Answer", bound=Contract)
MISSING = "where a module is missing: pip install 'tunesmith[prepare]'"


def ask(module: str, words: Sequence[str], answer: type[Answer]) -> Answer:
    """Run `python -m batch_jobs.prepare.<module>` and read its document. Its errors become the command's."""
    child = subprocess.run(_command(module, words), capture_output=True, check=False)
    if child.returncode:
        told = child.stderr.decode(errors="replace").strip()
        hint = None if child.returncode == 2 else f"see its error above; {MISSING}"
        raise fail(told or "no rows can be read", hint)
    return _read(module, child.stdout, answer)


def judge(module: str, words: Sequence[str], answer: type[Answer]) -> Answer:
    """The same of one whose verdict is its exit code, 0 or 1; progress and errors go to standard error as they come."""
    child = subprocess.run(_command(module, words), stdout=subprocess.PIPE, check=False)
    if child.returncode not in (0, 1):
        raise typer.Exit(1)
    return _read(module, child.stdout, answer)


def _command(module: str, words: Sequence[str]) -> list[str]:
    if any(word.startswith("s3://") for word in words):
        account.target()  # the child's AWS clients go where this command's go
    return [sys.executable, "-m", f"batch_jobs.prepare.{module}", *words]


def _read(module: str, document: bytes, answer: type[Answer]) -> Answer:
    try:
        return answer.model_validate_json(document)
    except ValidationError as error:
        raise fail(
            f"python -m batch_jobs.prepare.{module} gave no answer", f"see its error above; {MISSING}"
        ) from error
