"""The files of a dataset version: a Parquet per split and the quarantine, the same bytes for the same inputs."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from batch_jobs.prepare.checking.conversations import Turn
from batch_jobs.prepare.reading.lines import Line
from batch_jobs.prepare.splitting import keys_of
from tunesmith.contracts.datasets import Problem, Split

ROWS_PER_GROUP = 5_000
SCHEMA = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])), nullable=False),
        pa.field("trained", pa.list_(pa.bool_()), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
    ]
)


class SplitFiles:
    """The Parquet files of all splits; rows stream through, a row group at a time. Use as a context manager."""

    def __init__(self, folder: Path):
        self._writers = {
            split: pq.ParquetWriter(folder / split_file(split), SCHEMA, compression="zstd") for split in Split
        }
        self._pending: dict[Split, list[dict[str, Any]]] = {split: [] for split in Split}
        self.rows = dict.fromkeys(Split, 0)

    def add(
        self, split: Split, item_id: str, turns: tuple[Turn, ...], trained: tuple[bool, ...], origin: tuple[str, int]
    ) -> None:
        messages = [{"role": turn.role, "content": turn.content} for turn in turns]
        row = {"item_id": item_id, "messages": messages, "trained": trained, "source": origin[0], "line": origin[1]}
        self._pending[split].append(row)
        self.rows[split] += 1
        if len(self._pending[split]) == ROWS_PER_GROUP:
            self._flush(split)

    def __enter__(self) -> "SplitFiles":
        return self

    def __exit__(self, *_: object) -> None:
        for split, writer in self._writers.items():
            self._flush(split)
            writer.close()

    def _flush(self, split: Split) -> None:
        if self._pending[split]:
            self._writers[split].write_table(pa.Table.from_pylist(self._pending[split], schema=SCHEMA))
            self._pending[split].clear()


def split_file(split: Split) -> str:
    return f"{split}.parquet"


def quarantine_line(problem: Problem, line: Line) -> str:
    """A line of quarantine.jsonl: the problem and the row as it was, base64 where it is no text."""
    facts = problem.model_dump(mode="json") | {"raw_bytes": line.length}
    try:
        facts["raw"] = line.raw.decode()
    except UnicodeDecodeError:
        facts["raw_base64"] = base64.b64encode(line.raw).decode()
    return json.dumps(facts, ensure_ascii=False) + "\n"


def prompts_in(file: Path) -> Iterator[str]:
    """Prompt keys of a Parquet split."""
    for batch in pq.ParquetFile(file).iter_batches(columns=["messages"]):
        for messages in batch.column("messages").to_pylist():
            yield keys_of(tuple(Turn(message["role"], message["content"]) for message in messages)).prompt
