"""datatrove's local executor: its own reader, MinHash deduplication, its PII formatter, Parquet.

python -m tests.bench.prepare.contestants.datatrove_chain CORPUS FOLDER [default|cheap]

Its reader stops at a line that is an array or no UTF-8, so the rows come as {id, text}; writing them counts.
`default` cuts words with its English tokenizer (spaCy), `cheap` at what is no letter or digit. Its PII formatter
knows emails and IPs only.
"""

import re
import sys
from pathlib import Path
from typing import Any

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.formatters import PIIFormatter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import ParquetWriter
from datatrove.utils import word_tokenizers
from datatrove.utils.hashing import HashConfig

from tests.bench.prepare.contestants.texts import write_texts

CONFIG = MinhashConfig(hash_config=HashConfig(precision=64), num_buckets=14, hashes_per_bucket=8, n_grams=5)
WORDS = re.compile(r"\w+")


class CheapTokenizer(word_tokenizers.WordTokenizer):
    """Words are runs of letters and digits."""

    def word_tokenize(self, text: str) -> list[str]:
        return WORDS.findall(text)

    def sent_tokenize(self, text: str) -> list[str]:
        return [text]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


def main(corpus: Path, folder: Path, tokenizer: str = "default") -> None:
    if tokenizer == "cheap":
        from datatrove.pipeline.dedup import minhash

        minhash.load_word_tokenizer = lambda language: CheapTokenizer()
    texts = folder / "texts.jsonl"
    write_texts(corpus, texts)
    run(folder, "signatures", [reader(texts), MinhashDedupSignature(f"{folder}/signatures", config=CONFIG)])
    run(
        folder,
        "buckets",
        [MinhashDedupBuckets(f"{folder}/signatures", f"{folder}/buckets", config=CONFIG)],
        tasks=CONFIG.num_buckets,
    )
    run(folder, "cluster", [MinhashDedupCluster(f"{folder}/buckets", f"{folder}/remove", config=CONFIG)])
    last = [reader(texts), MinhashDedupFilter(f"{folder}/remove"), PIIFormatter(), ParquetWriter(f"{folder}/rows")]
    run(folder, "filter", last)


def reader(texts: Path) -> JsonlReader:
    return JsonlReader(str(texts.parent), glob_pattern=texts.name)


def run(folder: Path, name: str, pipeline: list[Any], tasks: int = 1) -> None:
    LocalPipelineExecutor(pipeline=pipeline, tasks=tasks, workers=1, logging_dir=f"{folder}/logs/{name}").run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
