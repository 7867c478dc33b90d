"""What redaction would replace in programs and technical prose: spans of each type in a megabyte.

python -m tests.bench.pii_code FOLDER ... [--end .py --end .md] [--show phone]

Files are cut into texts of 4,000 characters. What is found may be what it looks like (a loopback address is an IP
address, an author's address is one of mail), so look at it: `--show TYPE` prints each span with what stands around it.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.cleaning.pii.detector import Detector
from tests.bench.measuring import table
from tunesmith.contracts.preparation import STRUCTURED_PII

PIECE = 4_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--end", action="append", help="files whose names end so; all without it")
    parser.add_argument("--show", help="type of spans that are printed")
    asked = parser.parse_args()
    detector, lines = Detector(STRUCTURED_PII), []
    for folder in asked.folders:
        texts = Texts.of(list(pieces(folder, tuple(asked.end or ("",)))))
        megabytes, found = len(texts.buffer) / 1e6, Counter[str]()
        for start, end, kind in detector.find(texts):
            found[kind] += 1
            if kind == asked.show:
                print(texts.buffer[max(0, start - 60) : end + 20].tobytes().decode(errors="replace").replace("\n", "~"))
        shares = ", ".join(f"{kind} {count / megabytes:.2f}" for kind, count in found.most_common())
        lines.append([folder.name, f"{megabytes:.1f}", f"{found.total() / megabytes:.1f}", shares])
    table(["texts", "MB", "spans a MB", "of them"], lines)


def pieces(folder: Path, ends: tuple[str, ...]) -> Iterator[str]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name.endswith(ends) and "site-packages" not in file.parts:
            try:
                text = file.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            yield from (text[start : start + PIECE] for start in range(0, len(text), PIECE))


if __name__ == "__main__":
    main()
