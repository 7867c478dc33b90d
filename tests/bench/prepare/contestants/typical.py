"""What is usually written for this job: json, pydantic, `re`, hashlib, datasketch, pyarrow; all rows in memory."""

import hashlib
import json
import re
import sys
import unicodedata
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from datasketch import MinHash, MinHashLSH
from pydantic import BaseModel, Field, ValidationError

from tests.bench.prepare.contestants.rows import PATTERNS, passes_luhn, split_of


class Message(BaseModel):
    role: Literal["system", "user", "assistant", "tool"]
    content: str = Field(min_length=1)


class Meta(BaseModel):
    model: str
    score: float
    turns: int


class Row(BaseModel):
    id: str
    source: str
    created_at: str
    messages: list[Message] = Field(min_length=1)
    tags: list[str]
    meta: Meta


COMPILED = {name: re.compile(pattern) for name, pattern in PATTERNS.items()}
WORD = re.compile(r"\W+")


def main(corpus: Path, folder: Path) -> None:
    seen: set[str] = set()
    near = MinHashLSH(threshold=0.7, num_perm=128)
    rows: list[dict[str, str]] = []
    with corpus.open("rb") as lines:
        for line in lines:
            try:
                row = Row.model_validate(json.loads(line))
            except (ValueError, ValidationError):
                continue
            messages = [{"role": message.role, "content": clean(message.content)} for message in row.messages]
            body = json.dumps(messages, ensure_ascii=False)
            key = hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()
            if key in seen:
                continue
            seen.add(key)
            signature = signed("\n".join(message["content"] for message in messages if message["role"] != "system"))
            if near.query(signature):
                continue
            near.insert(row.id, signature)
            rows.append({"id": row.id, "split": split_of(int(key[:2], 16)), "messages": body})
    pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet", compression="zstd")


def clean(text: str) -> str:
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").strip()
    for name, pattern in COMPILED.items():
        if name == "CARD":
            text = pattern.sub(lambda match: "<CARD>" if passes_luhn(match[0]) else match[0], text)
        else:
            text = pattern.sub(f"<{name}>", text)
    return text


def signed(text: str) -> MinHash:
    words = [word for word in WORD.split(text.lower()) if word]
    shingles = {" ".join(words[place : place + 5]) for place in range(max(1, len(words) - 4))}
    signature = MinHash(num_perm=128)
    signature.update_batch([shingle.encode("utf-8", "surrogatepass") for shingle in shingles])
    return signature


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
