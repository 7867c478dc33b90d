"""A corpus of real text for measurements: the standard library's docstring pairs, varied until it is large enough.

One row in fifty is an exact duplicate, one in a hundred is bad, as uploads are.
"""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from tunesmith_cli.demo.docstring_task import PLANTED, Pair, docstring_pairs

EVERY_DUPLICATE, EVERY_BAD = 50, 100


def write_corpus(file: Path, megabytes: float) -> int:
    """Write at least so many megabytes of JSON lines; returns how many lines."""
    lines, size = 0, 0
    with file.open("wb") as out:
        for line in _lines(docstring_pairs()):
            if size >= megabytes * 1e6:
                break
            out.write(line + b"\n")
            lines, size = lines + 1, size + len(line) + 1
    return lines


def _lines(pairs: list[Pair]) -> Iterator[bytes]:
    number = 0
    for variant in count():
        for pair in pairs:
            number += 1
            line = json.dumps(_varied(pair, variant).row, ensure_ascii=False).encode()
            yield line
            if number % EVERY_DUPLICATE == 0:
                yield line
            if number % EVERY_BAD == 0:
                yield PLANTED[number // EVERY_BAD % len(PLANTED)]


def _varied(pair: Pair, variant: int) -> Pair:
    """Another function with the same body: no two variants are duplicates."""
    return pair if variant == 0 else Pair(f"{pair.code}\n# variant {variant}", pair.summary)
