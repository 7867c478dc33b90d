"""What the image compiles when it is built is all that jobs need: after it no run waits for the compiler."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.preparing import Workplace, jsonl
from tunesmith.contracts.datasets import SourceKind
from tunesmith.contracts.jobs import ExitCode
from tunesmith.contracts.preparation import PiiType
from tunesmith.contracts.recipes import PrepareRecipe

ROOT = Path(__file__).parents[3]
NEEDED_BY_NO_JOB = ["batch_jobs.prepare.cleaning.pii.tagger.rows_of"]
"""Only learning the tagger calls it."""
PROSE = "Mary Smith of 12 Elm Street, Leeds, wrote to ann@example.com on Monday about the delivery of order {}. "
SECRETS = (
    "token ghp_"
    + "a1B2c3D4e5F6" * 3
    + ", -----BEGIN RSA PRIVATE KEY-----, 10.0.0.1, ssn: 536-22-8726, DE89370400440532013000"
)
OTHER_RUNS = """
import sys
from pathlib import Path
from tests.batch_jobs.prepare.test_warming import other_runs
other_runs(Path(sys.argv[1]))
"""


def other_runs(folder: Path) -> None:
    """Files, kinds and recipes that the image's own runs do not have."""
    place = Workplace(folder)
    chats = [
        {"messages": [turn("user", n), turn("assistant", n + 500)], "conversation_id": f"c{n % 7}"} for n in range(80)
    ]
    tools = [{"conversations": [said("human", n), said("gpt", n + 300)], "system": "Be kind."} for n in range(40)]
    chatted = place.source("a.jsonl.gz", gzip.compress(jsonl(chats)))
    shared = place.source("b.json", json.dumps(tools, indent=1).encode())
    feedback = place.source("c.jsonl", jsonl(chats[:9]), SourceKind.FEEDBACK)
    table = place.source("d.tsv", b"instruction\toutput\n" + b"".join(line(n) for n in range(40)))
    columns = {"prompt": [PROSE.format(n) for n in range(40)], "completion": [f"Answer {n}." for n in range(40)]}
    pq.write_table(pa.table(columns), folder / "e.parquet")
    stored = place.source("f.parquet", (folder / "e.parquet").read_bytes())
    prompts = place.source("g.jsonl", jsonl({"prompt": PROSE.format(n)} for n in range(40)))
    liked = place.source(
        "h.jsonl", jsonl({"prompt": PROSE.format(n), "completion": "x", "label": n % 2 > 0} for n in range(40))
    )
    pages = place.source("i.md", ("\f".join(PROSE.format(n) * 3 for n in range(30))).encode())
    (folder / "against.jsonl").write_bytes(jsonl(chats[3:5]))

    first = place.params(chatted, shared, feedback, recipe=recipe(), name="first")
    suite = place.frozen(first, place.manifest(first))
    wide = recipe(
        redact={"types": list(PiiType)},
        decontaminate={"against": [f"{folder}/against.jsonl"], "ngram": 8},
        normalise={"mojibake": True, "unicode": "none", "invisible": "keep"},
        balance={"by": "source", "weights": {}},
        group_by="conversation_id",
    )
    bare = recipe(
        redact={"types": []},
        language={"detect": False},
        quality={"measure": False},
        deduplicate={"near": False},
        report={"make": False},
    )
    for number, (sources, asked, more) in enumerate(
        [
            ([chatted, shared, table], wide, suite),
            ([chatted, stored], bare, {}),
            ([table, stored], recipe(deduplicate={"threshold": 0.6}), suite),
            ([prompts], wide, {}),
            ([liked], wide, {}),
            ([pages], wide, {}),
        ]
    ):
        assert place.run(place.params(*sources, recipe=asked, name=f"other-{number}", **more)) == ExitCode.DONE, number


def recipe(**steps: object) -> PrepareRecipe:
    return PrepareRecipe.model_validate({"min_rows": 1, "max_quarantined_fraction": 1} | steps)


def turn(role: str, number: int) -> dict[str, str]:
    return {"role": role, "content": PROSE.format(number) + f"Also ring +44 20 7946 0{number:03d}: {SECRETS}."}


def said(who: str, number: int) -> dict[str, str]:
    return {"from": who, "value": PROSE.format(number) * 2}


def line(number: int) -> bytes:
    return f"{PROSE.format(number)}\tAnswer {number} in a few words.\n".encode()


@pytest.mark.slow
def test_no_run_compiles_what_the_image_has_not(tmp_path: Path) -> None:
    cache, work = tmp_path / "kept", tmp_path / "work"
    work.mkdir()
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    warmed = run(["-m", "batch_jobs.prepare.warming"], environment)
    assert json.loads(warmed.splitlines()[-1])["not_called"] == NEEDED_BY_NO_JOB
    kept = kernels(cache)
    assert len(kept) > 100
    run(["-c", OTHER_RUNS, str(work)], environment)
    assert kernels(cache) - kept == set()


def run(arguments: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    return done.stdout


def kernels(cache: Path) -> set[str]:
    """Machine code that is kept: one file for each kernel and types of its arguments."""
    return {file.name for file in cache.rglob("*.nbc")}
