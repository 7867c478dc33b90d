"""What `prepare` is measured against: the least that any reader must do, and what people write by themselves.

python -m tests.bench.prepare_peers parse|typical CORPUS FOLDER
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Literal


def parse(corpus: Path, folder: Path) -> None:
    """The floor: each line decoded by msgspec, nothing checked, nothing written."""
    import msgspec

    decode = msgspec.json.Decoder().decode
    with corpus.open("rb", buffering=1 << 20) as lines:
        for line in lines:
            try:
                decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue


def typical(corpus: Path, folder: Path) -> None:
    """json, pydantic, exact duplicates by hash, a split by hash, Parquet. It says which line is bad, and no more."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pydantic import BaseModel, ValidationError

    class Message(BaseModel):
        role: Literal["system", "user", "assistant"]
        content: str

    class Row(BaseModel):
        messages: list[Message]

    seen: set[str] = set()
    splits: dict[str, list[dict[str, object]]] = {"train": [], "validation": [], "test": []}
    with corpus.open("rb") as lines, (folder / "bad.jsonl").open("w") as bad:
        for number, line in enumerate(lines, 1):
            try:
                row = Row.model_validate(json.loads(line))
            except (ValueError, ValidationError) as error:
                bad.write(json.dumps({"line": number, "error": str(error)}) + "\n")
                continue
            messages = [message.model_dump() for message in row.messages]
            key = hashlib.sha256(json.dumps(messages, sort_keys=True).encode()).hexdigest()
            if key in seen:
                continue
            seen.add(key)
            share = int(key[:8], 16) / 16**8
            split = "test" if share < 0.1 else "validation" if share < 0.15 else "train"
            splits[split].append({"messages": messages, "id": key})
    for name, rows in splits.items():
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet", compression="zstd")


if __name__ == "__main__":
    case, corpus, folder = sys.argv[1:]
    {"parse": parse, "typical": typical}[case](Path(corpus), Path(folder))
