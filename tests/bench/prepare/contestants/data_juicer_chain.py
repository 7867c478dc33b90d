"""data-juicer's default executor with a recipe of its operators: Unicode, emails, IPs, exact and MinHash, Parquet.

Its reader is `datasets`, which refuses a file with a broken line, so the rows are given to it as {id, text} without
those that do not parse; that time is counted, as whoever uses it must do so.
"""

import os
import sys
from pathlib import Path

from tests.bench.prepare.contestants.texts import write_texts

RECIPE = """
project_name: race
dataset_path: {texts}
export_path: {folder}/rows.jsonl
text_keys: text
np: {cores}
open_tracer: false
use_cache: false
process:
  - fix_unicode_mapper:
  - whitespace_normalization_mapper:
  - clean_email_mapper:
      repl: <EMAIL>
  - clean_ip_mapper:
      repl: <IP>
  - document_deduplicator:
      lowercase: false
  - document_minhash_deduplicator:
      tokenization: space
      window_size: 5
      jaccard_threshold: 0.7
      num_permutations: 128
"""


def main(corpus: Path, folder: Path) -> None:
    texts, recipe = folder / "texts.jsonl", folder / "recipe.yaml"
    write_texts(corpus, texts)
    recipe.write_text(RECIPE.format(texts=texts, folder=folder, cores=len(os.sched_getaffinity(0))))

    from data_juicer.config import init_configs
    from data_juicer.core.executor import DefaultExecutor

    DefaultExecutor(init_configs(["--config", str(recipe)])).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
