"""One library, one pass over texts that are in memory; prints the CPU-seconds of that pass, writes the ids it kept.

    python -m tests.bench.prepare.near.finders gaoya|rensa|datasketch|ours TEXTS KEPT

TEXTS has {"id", "text"} a line. Reading it is not counted, nor is importing, nor compiling.
"""

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

Finder = Callable[[list[str]], list[int]]
WORD = re.compile(r"\W+")
THRESHOLD = 0.7


def gaoya(texts: list[str]) -> list[int]:
    """As in the expert's chain: shingles, hashes and bands are all made in Rust."""
    from tests.bench.prepare.contestants.expert import index

    found, kept = index(), []
    for number, text in enumerate(texts):
        if not found.query(text):
            found.insert_document(number, text)
            kept.append(number)
    return kept


def rensa(texts: list[str]) -> list[int]:
    """R-MinHash, 16 bands of 8, candidates verified."""
    from rensa import RMinHash, RMinHashLSH

    found, kept, known = RMinHashLSH(threshold=THRESHOLD, num_perm=128, num_bands=16), [], {}
    for number, text in enumerate(texts):
        signature = RMinHash(num_perm=128, seed=42)
        signature.update(list(shingles(text)))
        if any(known[other].jaccard(signature) >= THRESHOLD for other in found.query(signature)):
            continue
        found.insert(number, signature)
        known[number] = signature
        kept.append(number)
    return kept


def datasketch(texts: list[str]) -> list[int]:
    from datasketch import MinHash, MinHashLSH

    found, kept = MinHashLSH(threshold=THRESHOLD, num_perm=128), []
    for number, text in enumerate(texts):
        signature = MinHash(num_perm=128)
        signature.update_batch([shingle.encode() for shingle in shingles(text)])
        if not found.query(signature):
            found.insert(number, signature)
            kept.append(number)
    return kept


def ours(texts: list[str]) -> list[int]:
    """Signatures, groups of near duplicates, the first of each."""
    import numpy as np

    from batch_jobs.prepare.batches import Texts
    from batch_jobs.prepare.deduplicating.groups import near_groups
    from batch_jobs.prepare.deduplicating.signatures import learn_template, signatures

    column = Texts.of(texts)
    signed, has_own = signatures(column, learn_template(column))
    rows = np.flatnonzero(has_own).astype(np.int64)
    group_of = np.arange(len(texts), dtype=np.int64)
    group_of[rows] = near_groups(signed, rows, THRESHOLD)
    return [number for number, group in enumerate(group_of.tolist()) if group == number]


def shingles(text: str) -> set[str]:
    words = [word for word in WORD.split(text.lower()) if word]
    return {" ".join(words[place : place + 5]) for place in range(max(1, len(words) - 4))}


FINDERS: dict[str, Finder] = {"ours": ours, "gaoya": gaoya, "rensa": rensa, "datasketch": datasketch}


def main(name: str, texts_file: Path, kept_file: Path) -> None:
    with texts_file.open() as lines:
        rows = [json.loads(line) for line in lines]
    find, texts = FINDERS[name], [row["text"] for row in rows]
    find(texts[:100])
    started = time.process_time()
    kept = find(texts)
    seconds = time.process_time() - started
    kept_file.write_text(json.dumps({"cpu_seconds": seconds, "kept": [rows[number]["id"] for number in kept]}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
