"""The programs that read Parquet for `tunesmith data`: children, so that the command itself stays light."""

import subprocess
import sys
from collections.abc import Sequence
from typing import TypeVar

from pydantic import ValidationError

from tunesmith.contracts.base import Contract
from tunesmith_cli import account
from tunesmith_cli.console import fail

Answer = TypeVar("Answer", bound=Contract)


def ask(module: str, words: Sequence[str], answer: type[Answer]) -> Answer:
    """Run `python -m batch_jobs.prepare.<module>` and read its document. Its errors go to standard error."""
    if any(word.startswith("s3://") for word in words):
        account.target()  # the child's AWS clients go where this command's go
    command = [sys.executable, "-m", f"batch_jobs.prepare.{module}", *words]
    child = subprocess.run(command, capture_output=True, check=False)
    if child.returncode:
        told = child.stderr.decode(errors="replace").strip()
        hint = "see its error above; where a module is missing: pip install 'tunesmith[prepare]'"
        raise fail(told or "no rows can be read", None if child.returncode == 2 else hint)
    try:
        return answer.model_validate_json(child.stdout)
    except ValidationError as error:
        raise fail(
            f"python -m batch_jobs.prepare.{module} gave no answer",
            "where a module is missing: pip install 'tunesmith[prepare]'",
        ) from error
