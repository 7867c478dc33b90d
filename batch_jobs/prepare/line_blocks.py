"""Blocks of a file of JSON lines."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.reading.blocks import BLOCK_BYTES, BLOCK_LINES, Block, Refusal
from batch_jobs.prepare.reading.lines import BOM, Line, check_text, read_lines
from tunesmith.contracts.datasets import ProblemCode
from tunesmith.contracts.recipes import PrepareRecipe


def read_blocks(file: Path, uri: str, recipe: PrepareRecipe) -> Iterator[Block]:
    with file.open("rb", buffering=1 << 20) as stream:
        check_text(stream.read(8), uri)
        stream.seek(0)
        pending: list[Line] = []
        held = 0
        for line in read_lines(stream, recipe.max_line_bytes):
            pending.append(line)
            held += len(line.raw)
            if held >= BLOCK_BYTES or len(pending) == BLOCK_LINES:
                yield _block(pending)
                pending, held = [], 0
        if pending:
            yield _block(pending)


def _block(lines: list[Line]) -> Block:
    whole = [line for line in lines if line.is_whole]
    raws = [line.raw.removeprefix(BOM) if line.number == 1 else line.raw for line in whole]
    ends = np.cumsum([len(raw) for raw in raws], dtype=np.int64)
    refusals, before = [], 0
    for line in lines:
        if line.is_whole:
            before += 1
            continue
        problem = BadRow(ProblemCode.LINE_TOO_LONG, f"{line.length} bytes")
        refusals.append(Refusal(before, line.number, line.offset, problem, line.raw, line.length))
    return Block(
        b"".join(raws),
        np.concatenate([np.zeros(1, np.int64), ends])[:-1],
        ends,
        np.array([line.number for line in whole], np.int64),
        np.array([line.offset for line in whole], np.int64),
        refusals,
        lines[-1].offset + lines[-1].length,
    )
