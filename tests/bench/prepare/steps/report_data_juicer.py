"""data-juicer's analyzer: statistics of the text by its filters, their tables, histograms and correlations.

INPUT is JSON lines with `text`. The filters are those of the quality step, fused.
"""

import tempfile
from pathlib import Path

from data_juicer.config import init_configs
from data_juicer.core import Analyzer

from tests.bench.prepare.steps.quality_data_juicer import FILTERS
from tests.bench.prepare.steps.timing import Contestant, Work, run

RECIPE = """
project_name: report
dataset_path: {rows}
export_path: {folder}/rows.jsonl
text_keys: text
np: 1
use_cache: false
op_fusion: true
process:
{filters}
"""


def analyzer(rows: Path) -> Work:
    folder = Path(tempfile.mkdtemp(dir=rows.parent))
    recipe, filters = folder / "recipe.yaml", "\n".join(f"  - {name}:" for name in FILTERS)
    recipe.write_text(RECIPE.format(rows=rows, folder=folder, filters=filters))
    configured = init_configs(["--config", str(recipe)])

    def work() -> None:
        Analyzer(configured).run(skip_return=True)

    return work


CONTESTANTS: dict[str, Contestant] = {"analyzer": analyzer}

if __name__ == "__main__":
    run(CONTESTANTS)
