"""Each score as a module of `evaluate`: loaded from its folder, offline, it gives what the plain function gives."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from batch_jobs.evaluate import modules, scoring
from tunesmith.contracts.recipes import Metric

MODULES = Path(modules.__file__).parent
PREDICTIONS = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him.", "", "a b c"]
REFERENCES = ["The dog had bit the man.", "No one was surprised.", "The man had bitten the dog.", "nothing", "a b c"]
NLLS, TOKENS = [1.5, 2.25, 30.0, 4.0, 0.5], [3, 4, 9, 1, 3]

COMPUTE = """
import json, sys
import evaluate
folder, pairs, likelihoods = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
names = json.loads(sys.argv[4])
found = {}
for name in names:
    arguments = likelihoods if name == "perplexity" else pairs
    found |= evaluate.load(f"{folder}/{name}").compute(**arguments)
print(json.dumps(found))
"""


def test_every_metric_has_a_module() -> None:
    folders = {path.name for path in MODULES.iterdir() if (path / f"{path.name}.py").is_file()}
    assert folders == {metric.value for metric in Metric}


@pytest.mark.slow
def test_modules_give_what_the_plain_functions_give(tmp_path: Path) -> None:
    """In a process of its own: `evaluate` takes up to half a minute to import, and reads HF_HUB_OFFLINE as it does."""
    pairs = {"predictions": PREDICTIONS, "references": REFERENCES}
    likelihoods = {"nlls": NLLS, "tokens": TOKENS}
    arguments = [json.dumps(value) for value in (pairs, likelihoods, [metric.value for metric in Metric])]
    offline = {"HF_HUB_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", COMPUTE, str(MODULES), *arguments],
        env=os.environ | offline,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == scoring.corpus_scores(PREDICTIONS, REFERENCES, nll=sum(NLLS), tokens=sum(TOKENS))
