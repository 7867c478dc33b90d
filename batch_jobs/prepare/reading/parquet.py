"""Parquet, parsed by a child process under limits: a hostile file may crash or starve the child, never the job.

The child (`parquet_child`) writes each row as a line of JSON into a pipe.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from batch_jobs.prepare.checking.telling import without_secrets
from batch_jobs.prepare.reading.blocks import Block
from batch_jobs.prepare.reading.inflating import refuse_bomb
from batch_jobs.prepare.reading.json_lines import line_blocks
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.recipes import PrepareRecipe

PIECE_BYTES = 1 << 20
MEMORY_BYTES = 3 << 29
"""Address space of the child, half a GiB of which pyarrow takes before it has read anything."""
CPU_SECONDS, CPU_SECONDS_PER_MIB = 60, 2
SILENT_SECONDS = 120
"""A child that writes nothing for so long, though it is listened to, is killed."""
ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LD_LIBRARY_PATH")
"""All that the child is told: no credentials."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}


def parquet_blocks(file: Path, uri: str, recipe: PrepareRecipe) -> Iterator[Block]:
    """The rows as blocks; numbers count rows. A row has no byte offset of its own: offsets are 0.

    Raises InvalidInput where the file is damaged, lies about itself, or needs more than the child may take.
    """
    for block in line_blocks(_pieces(file, uri, recipe), recipe.max_line_bytes):
        refusals = [replace(refusal, offset=0) for refusal in block.refusals]
        yield replace(block, offsets=np.zeros_like(block.offsets), refusals=refusals)


def _pieces(file: Path, uri: str, recipe: PrepareRecipe) -> Iterator[tuple[bytes, int]]:
    size, total = file.stat().st_size, 0
    with tempfile.TemporaryFile() as said, _start(file, size, said) as child:
        try:
            assert child.stdout is not None
            for piece in _heard(child.stdout, uri):
                total += len(piece)
                refuse_bomb(total, size, uri, recipe)
                yield piece, 0
            code = _ended(child)
        finally:
            child.kill()
        if code:
            raise InvalidInput(f"{uri}: {_reason(code, said)}")


def _start(file: Path, size: int, said: IO[bytes]) -> "subprocess.Popen[bytes]":
    cpu = CPU_SECONDS + CPU_SECONDS_PER_MIB * (size >> 20)
    told = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "batch_jobs.prepare.reading.parquet_child",
            str(file.absolute()),
            str(MEMORY_BYTES),
            str(cpu),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=said,
        env=told | ONE_THREAD,
    )


def _heard(pipe: IO[bytes], uri: str) -> Iterator[bytes]:
    """What the child writes, as long as it does."""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while selector.select(SILENT_SECONDS):
            piece = os.read(pipe.fileno(), PIECE_BYTES)
            if not piece:
                return
            yield piece
    raise InvalidInput(f"{uri}: the Parquet reader came no further for {SILENT_SECONDS} s; export the file again")


def _ended(child: "subprocess.Popen[bytes]") -> int:
    """The exit code of a child that has said all it will."""
    try:
        return child.wait(SILENT_SECONDS)
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL


def _reason(code: int, said: IO[bytes]) -> str:
    """Why the child gave up: by its own words if it had any left."""
    said.seek(max(0, said.seek(0, os.SEEK_END) - 10_000))
    last = said.read().decode(errors="replace").strip().rpartition("\n")[2]
    try:
        return without_secrets(f"{json.loads(last)['error']}")
    except (ValueError, TypeError, KeyError):  # it died without a word: its exit code tells below
        pass
    if code == -signal.SIGXCPU or code == -signal.SIGKILL:
        return "Parquet that takes too long to read, or too much memory; export it again, in several files"
    how = signal.Signals(-code).name if code < 0 else f"exit {code}"
    return (
        f"Parquet that stopped its reader ({how}): it is damaged, or needs more than {MEMORY_BYTES >> 20} MiB at once; "
        "export it again, in smaller row groups"
    )
