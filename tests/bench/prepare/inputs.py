"""What single steps are given: texts, chats and the rows of a prepared dataset, all of one corpus.

Megabytes are those of the texts, without JSON and system prompts.
"""

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.bench.prepare.scoring import sound_rows

MANIFEST, ROWS = "manifest.json", "rows.jsonl"
SIGNALS = ("language", "quality", "toxicity", "source", "split")

Row = dict[str, Any]


def text_rows(corpus: Path) -> Iterator[Row]:
    """{id, text} of each row that parses, system prompts left out."""
    return ({"id": row["id"], "text": _text(row["messages"])} for row in sound_rows(corpus))


def chat_rows(corpus: Path) -> Iterator[Row]:
    """{id, messages}"""
    return ({"id": row["id"], "messages": row["messages"]} for row in sound_rows(corpus))


def kept_rows(dataset: Path) -> Iterator[Row]:
    """The rows of a dataset version as a table that any tool profiles: text, its sizes, what was measured of it."""
    for file in sorted(dataset.rglob("*.parquet")):
        for row in pq.read_table(file).to_pylist():
            text = _text(row["messages"])
            sizes = {"characters": len(text), "words": len(text.split()), "turns": len(row["messages"])}
            yield {"id": row["item_id"], "text": text} | sizes | {name: row[name] for name in SIGNALS if name in row}


def write(rows: Iterable[Row], file: Path, at_most_megabytes: float = math.inf) -> float:
    """The first rows as JSON lines, at least one; megabytes of their text."""
    size = 0
    with file.open("w") as out:
        for row in rows:
            out.write(json.dumps(row) + "\n")
            size += len((row["text"] if "text" in row else _text(row["messages"])).encode())
            if size >= at_most_megabytes * 1e6:
                break
    return size / 1e6


def _text(messages: list[dict[str, str]]) -> str:
    return "\n".join(message["content"] for message in messages if message["role"] != "system")
