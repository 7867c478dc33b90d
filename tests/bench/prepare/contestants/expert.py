"""What an expert writes for this job: msgspec, google-re2 in one alternation, xxhash, gaoya, pyarrow; streaming.

Each choice is the fastest that performance measurements of the single stages found: a typed decoder that checks the
schema while it parses, `isascii` and `is_normalized` before `normalize`, one search per text and a substitution only
on a hit, a 128-bit hash of the encoded messages, MinHash and LSH in Rust, zstd at level 1.
"""

import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import re2
import xxhash
from gaoya.minhash import MinHashStringIndex

from tests.bench.prepare.contestants.rows import PATTERNS, Row, passes_luhn, split_of

CHUNK = 32 << 20
SCHEMA = pa.schema([("id", pa.string()), ("split", pa.string()), ("messages", pa.binary())])
NAMES = list(PATTERNS)
FOUND = re2.compile("|".join(f"({pattern})" for pattern in PATTERNS.values()))
search, substitute = FOUND.search, FOUND.sub


def main(corpus: Path, folder: Path) -> None:
    with pq.ParquetWriter(
        folder / "rows.parquet", SCHEMA, compression="zstd", compression_level=1, use_dictionary=["split"]
    ) as writer:
        for columns in kept(corpus):
            writer.write_table(pa.table(columns, schema=SCHEMA))


def kept(corpus: Path) -> Iterator[list[list[object]]]:
    decode, encode, digest = msgspec.json.Decoder(Row).decode, msgspec.json.Encoder().encode, xxhash.xxh3_128_digest
    seen: set[bytes] = set()
    near = index()
    number = 0
    with corpus.open("rb", buffering=1 << 20) as lines:
        while chunk := lines.readlines(CHUNK):
            ids: list[object] = []
            splits: list[object] = []
            bodies: list[object] = []
            for line in chunk:
                try:
                    row = decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue
                for message in row.messages:
                    message.content = clean(message.content)
                body = encode(row.messages)
                key = digest(body)
                if key in seen:
                    continue
                seen.add(key)
                text = "\n".join([message.content for message in row.messages if message.role != "system"])
                if near.query(text):
                    continue
                near.insert_document(number, text)
                number += 1
                ids.append(row.id)
                splits.append(split_of(key[0]))
                bodies.append(body)
            yield [ids, splits, bodies]


def index() -> MinHashStringIndex:
    return MinHashStringIndex(
        hash_size=32,
        jaccard_threshold=0.7,
        num_bands=16,
        band_size=8,
        num_hashes=128,
        analyzer="word",
        lowercase=True,
        ngram_range=(5, 5),
    )


def clean(text: str) -> str:
    if not text.isascii() and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.strip()
    return substitute(redacted, text) if search(text) else text


def redacted(match: "re2._Match") -> str:
    name = NAMES[match.lastindex - 1]
    return match[0] if name == "CARD" and not passes_luhn(match[0]) else f"<{name}>"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
