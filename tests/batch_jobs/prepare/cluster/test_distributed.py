"""The same program on a cluster: the same bytes as on one machine, on Daft's own runner and on a real Ray cluster."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from batch_jobs.harness.context import JobContext
from batch_jobs.harness.fencing import Unfenced
from batch_jobs.harness.progress import ProgressReport
from batch_jobs.prepare.against import Against
from batch_jobs.prepare.cluster.distributed import Cluster, Shared
from batch_jobs.prepare.evaluations import EvaluationSets
from batch_jobs.prepare.frozen import Frozen
from batch_jobs.prepare.pipeline import Prepared, in_order, make_scanner, prepare_files, prepare_with
from tests.support.splits import chat
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.datasets import DropReason, Source, SourceKind
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import JobName, PrepareParams
from tunesmith.contracts.preparation import DecontaminateRecipe
from tunesmith.contracts.recipes import PrepareRecipe

WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "theta", "iota", "kappa", "lambda", "omicron", "sigma")


def text(seed: int, words: int) -> str:
    numbers = hashlib.sha512(str(seed).encode()).digest() * 4
    return " ".join(WORDS[byte % len(WORDS)] + str(byte) for byte in numbers[:words])


def line(seed: int, change: str = "") -> bytes:
    turns = [
        {"role": "user", "content": text(seed, 40)},
        {"role": "assistant", "content": f"{text(-seed, 60)} {change}"},
    ]
    return json.dumps({"messages": turns}).encode()


def write_inputs(folder: Path) -> list[Source]:
    """Two files of rows, some of them near duplicates across files and pieces, some broken."""
    first = [line(seed) for seed in range(400)] + [b'{"cut', b"", line(7)]
    second = [line(seed, "but one word") for seed in range(0, 400, 10)] + [line(seed) for seed in range(1_000, 1_300)]
    for name, lines in (("a.jsonl", first), ("b.jsonl", second)):
        (folder / name).write_bytes(b"\n".join(lines))
    return [
        Source(kind=SourceKind.UPLOAD, source_id=digest(name), uri=str(folder / name), version_id="1")
        for name in ("a.jsonl", "b.jsonl")
    ]


def params_for(folder: Path, name: str) -> PrepareParams:
    evaluation = folder / "evaluation.jsonl"
    evaluation.write_bytes(b"\n".join(line(seed) for seed in (2_000, 1_290, 399)))
    return PrepareParams(
        run_id=f"run-{digest(name)[:32]}",
        project="demo",
        dataset="rows",
        dataset_version=digest(name),
        sources=write_inputs(folder),
        recipe=PrepareRecipe(decontaminate=DecontaminateRecipe(against=[str(evaluation)])),
        output_uri=f"{folder}/{name}/",
    )


def context_in(folder: Path) -> JobContext:
    folder.mkdir(parents=True)
    storage, fence = Storage(), Unfenced()
    report = ProgressReport(storage, f"{folder}/progress.json", JobName.PREPARE, fence)
    return JobContext(JobName.PREPARE, "run-" + "0" * 32, storage, folder, fence, report)


FROZEN = Frozen.of(
    [chat(("user", f"{text(seed, 40)} please"), ("assistant", text(-seed, 60))) for seed in range(20, 80, 10)]
)


def against(params: PrepareParams, context: JobContext) -> Against:
    return Against(FROZEN, EvaluationSets.fetch(params.recipe, context))


def on_one_machine(folder: Path) -> tuple[Prepared, dict[str, str]]:
    out = folder / "one"
    out.mkdir()
    params, context = params_for(folder, "one"), context_in(folder / "one-work")
    prepared = prepare_files(params, against(params, context), out, context)
    return prepared, digests(out)


def on_a_cluster(folder: Path) -> tuple[Prepared, dict[str, str]]:
    out, scratch = folder / "many", folder / "scratch"
    out.mkdir(), scratch.mkdir()
    params = params_for(folder, "many")
    context = context_in(folder / "work")
    held_against = against(params, context)
    scanner = make_scanner(params.recipe, held_against)
    engine = Cluster(Shared(f"{scratch}/", in_order(params.sources), scanner), context, 50_000)
    with engine:
        prepared = prepare_with(engine, params, scanner.languages, held_against, out, context_in(folder / "work-2"))
    return prepared, digests(out)


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def test_pieces_on_daft_give_the_bytes_of_one_machine(tmp_path: Path) -> None:
    alone, expected = on_one_machine(tmp_path)
    together, found = on_a_cluster(tmp_path)
    assert found == expected
    assert together.ledger.by_source() == alone.ledger.by_source()
    dropped = alone.ledger.total().dropped
    assert dropped[DropReason.NEAR_DUPLICATE] > 30 and dropped[DropReason.EXACT_DUPLICATE] == 1
    assert dropped[DropReason.NEAR_FROZEN_TEST] >= 1
    assert together.leaks == alone.leaks and alone.leaks is not None
    places = {(Path(uri).name, leak.line, leak.item) for uri, leak in alone.leaks}
    assert places == {("a.jsonl", 400, 3), ("b.jsonl", 331, 2)} and dropped[DropReason.CONTAMINATED] == 2
    assert len(list((tmp_path / "scratch").glob("*.told"))) > 4


ON_RAY = """
import sys
import daft, ray
from pathlib import Path
ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
daft.set_runner_ray()
from tests.batch_jobs.prepare.cluster.test_distributed import on_a_cluster
prepared, found = on_a_cluster(Path(sys.argv[1]))
assert daft.get_or_infer_runner_type() == "ray"
import json
print(json.dumps(found))
ray.shutdown()
"""


@pytest.mark.slow
def test_ray_cluster_gives_the_bytes_of_one_machine(tmp_path: Path) -> None:
    _, expected = on_one_machine(tmp_path)
    root = Path(__file__).parents[4]
    environment = os.environ | {"PYTHONPATH": str(root), "RAY_DEDUP_LOGS": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        [sys.executable, "-c", ON_RAY, str(tmp_path)], cwd=root, env=environment, capture_output=True, timeout=300
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    assert json.loads(done.stdout.decode().splitlines()[-1]) == expected
