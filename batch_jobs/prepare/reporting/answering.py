"""How a program of this folder answers `tunesmith`: a document on standard output, or an error and exit code 2."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from tunesmith.contracts.base import Contract
from tunesmith.contracts.errors import PlatformError


def answer(make: Callable[[Path], Contract], what: str) -> int:
    """Print what is made, with a folder for downloads; the exit code. `what` is named where a document in it is not
    what it should be."""
    try:
        with tempfile.TemporaryDirectory(prefix="tunesmith-") as scratch:
            made = make(Path(scratch))
    except (PlatformError, OSError, ClientError, BotoCoreError, pa.ArrowException) as error:
        print(error, file=sys.stderr)
        return 2
    except ValidationError as error:
        print(f"{what} holds no dataset version of this tunesmith: {error}", file=sys.stderr)
        return 2
    sys.stdout.write(made.model_dump_json(indent=2) + "\n")
    return 0
