"""Run a job: read `params.json`, do the work once, write `result.json` beside it, last.

The same call works under AWS Batch and on a laptop (the params' URI is the one argument) and as a SageMaker training
job (the URI is the hyperparameter `params_uri`). Where a result is already there, the work is done and nothing runs.
"""

import errno
import json
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from batch_jobs.harness.context import Job, JobContext
from batch_jobs.harness.fencing import fencing_table, take_fence
from batch_jobs.harness.progress import ProgressReport
from tunesmith.adapters.storage import Storage, beside
from tunesmith.contracts.base import Contract
from tunesmith.contracts.errors import Fenced, Interrupted, InvalidInput, PlatformError
from tunesmith.contracts.jobs import ExitCode, JobFailure, JobName

Shape = TypeVar("Shape", bound=Contract)
LONGEST_FAILURE = 2_000
"""Characters of a failure's message."""
NO_ROOM_OR_LEAVE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}

__all__ = ["Job", "JobContext", "params_uri", "run_job", "sagemaker_folder"]


def run_job(
    name: JobName, params_type: type[Contract], result_type: type[Contract], job: Job, argv: list[str] | None = None
) -> int:
    """Run `job` on the params that `argv` (default: the command line) names. Returns the exit code of the process."""
    uri = None
    try:
        uri = params_uri(sys.argv[1:] if argv is None else argv)
        _run(name, params_type, result_type, job, uri)
    except Fenced as error:  # the newest attempt speaks for the job, not this one
        return _report(f"{error.code}: {error}", ExitCode.BAD_INPUT)
    except PlatformError as error:
        code = ExitCode.INTERRUPTED if error.retryable else ExitCode.BAD_INPUT
        return _report(f"{error.code}: {error}", code, uri)
    except KeyboardInterrupt:
        return _report(f"{Interrupted.code}: asked to stop by Ctrl-C; starting it again is safe", ExitCode.INTERRUPTED)
    except Exception as error:
        return _report(_told(error), ExitCode.FAILED, uri)
    return ExitCode.DONE


def params_uri(argv: list[str]) -> str:
    """The one argument, or SageMaker's hyperparameter. Raises InvalidInput where there is neither."""
    if len(argv) == 1 and argv[0] != "train":  # SageMaker says `train` where a training job has no entry point
        return argv[0]
    hyperparameters = sagemaker_folder() / "input/config/hyperparameters.json"
    if len(argv) > 1 or not hyperparameters.is_file():
        raise InvalidInput(
            f"expected one argument, the URI of params.json, or {hyperparameters} with params_uri; got {argv}"
        )
    found = json.loads(hyperparameters.read_bytes()).get("params_uri")
    if not found:
        raise InvalidInput(f"{hyperparameters}: no params_uri; name the URI of params.json there")
    return str(found)


def sagemaker_folder() -> Path:
    return Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def _run(name: JobName, params_type: type[Contract], result_type: type[Contract], job: Job, uri: str) -> None:
    storage = Storage()
    result_uri = beside(uri, "result.json")
    if (done := storage.read_if_there(result_uri)) is not None:
        _parse(result_type, done, result_uri)
        print(f"{name}: already done, see {result_uri}", file=sys.stderr)
        return
    params = _parse(params_type, storage.read(uri), uri)
    with _context(storage, name, params.run_id, uri) as context:
        context.log("started", fence=context.fence.number)
        result = job(params, context)
        context.fence.check()
        storage.write(result_uri, result.model_dump_json(indent=2), content_type="application/json")
        context.log("done", result_uri=result_uri)


@contextmanager
def _context(storage: Storage, job: JobName, run_id: str, uri: str) -> Iterator[JobContext]:
    """A private folder that goes away, a fence, and SIGTERM as a request to stop."""
    fence = take_fence(fencing_table(uri), f"{run_id}/{job}")
    report = ProgressReport(storage, beside(uri, "progress.json"), job, fence)
    with tempfile.TemporaryDirectory(prefix=f"tunesmith-{job}-") as workdir:  # mode 0700
        context = JobContext(job, run_id, storage, Path(workdir), fence, report)
        try:
            with _sigterm_interrupts(context):
                yield context
        finally:
            report.close()


@contextmanager
def _sigterm_interrupts(context: JobContext) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return
    previous = signal.signal(signal.SIGTERM, lambda *_: context.interrupt())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _parse(shape: type[Shape], document: bytes, uri: str) -> Shape:
    try:
        return shape.model_validate_json(document)
    except ValidationError as error:
        places = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'document'}: {problem['msg']}"
            for problem in error.errors(include_url=False)
        )
        raise InvalidInput(f"{uri}: {places}") from error


def _told(error: Exception) -> str:
    """A sentence where the machine has no room or no leave; of what nobody foresaw, where it happened."""
    if isinstance(error, OSError) and error.errno in NO_ROOM_OR_LEAVE:
        return f"{error}: make room, or name a folder that this user may write to, then start it again"
    return "".join(traceback.format_exception(error))


def _report(message: str, code: int, uri: str | None = None) -> int:
    """Tell why it ended: on stderr, in `failure.json` beside the params, and in the file that SageMaker takes its
    FailureReason from."""
    print(message.rstrip(), file=sys.stderr, flush=True)
    if uri:
        _write_failure_beside(uri, message, code)
    if (sagemaker_folder() / "input/config/hyperparameters.json").is_file():
        _write_failure(message)
    return code


def _write_failure_beside(uri: str, message: str, code: int) -> None:
    """Of a traceback the last line, which names the error: the log has the whole of it. Without params there is no run
    to tell of."""
    storage = Storage()
    failure = JobFailure(exit_code=code, message=message.strip().splitlines()[-1][:LONGEST_FAILURE])
    try:
        if storage.exists(uri):
            storage.write(beside(uri, "failure.json"), failure.model_dump_json(), content_type="application/json")
    except (OSError, BotoCoreError, ClientError) as error:  # the exit code and stderr still tell
        print(f"cannot write failure.json beside {uri}: {error}", file=sys.stderr)


def _write_failure(message: str) -> None:
    failure = sagemaker_folder() / "output/failure"
    try:
        failure.parent.mkdir(parents=True, exist_ok=True)
        failure.write_text(message[-1024:])  # SageMaker shows no more
    except OSError as error:  # the exit code and stderr still tell
        print(f"cannot write {failure}: {error}", file=sys.stderr)
