"""Rows as {id, text}, for tools whose readers stop at a line that does not parse. The time counts: users pay it."""

from pathlib import Path

import msgspec

from tests.bench.prepare.contestants.rows import Row


def write_texts(corpus: Path, file: Path) -> None:
    decode, encode = msgspec.json.Decoder(Row).decode, msgspec.json.Encoder().encode
    with corpus.open("rb") as lines, file.open("wb") as out:
        for line in lines:
            try:
                row = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            text = "\n".join(message.content for message in row.messages if message.role != "system")
            out.write(encode({"id": row.id, "text": text}) + b"\n")
