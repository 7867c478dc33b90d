"""The floor: each line decoded by msgspec into the rows' schema; nothing else, nothing written."""

import sys
from pathlib import Path

import msgspec

from tests.bench.prepare.contestants.rows import Row


def main(corpus: Path, folder: Path) -> None:
    decode = msgspec.json.Decoder(Row).decode
    with corpus.open("rb", buffering=1 << 20) as lines:
        for line in lines:
            try:
                decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
