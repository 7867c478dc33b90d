"""Compile the kernels once, when the image is built, so that no job waits for the compiler.

    NUMBA_CACHE_DIR=/opt/numba NUMBA_CPU_NAME=x86-64-v3 NUMBA_CPU_FEATURES= python -m batch_jobs.prepare.warming

What is compiled depends on the types of the arguments, so `prepare` itself runs, on a few rows of each kind: by the
default recipe, by one that has every step, and once more from the scans that were kept. numba takes what it kept only
where name and features of the CPU are those it was compiled for (hence a common baseline) and the source file is as old
as it was (images keep whole seconds, so the Dockerfile gives sources whole seconds first).
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from batch_jobs.harness.main import run_job
from batch_jobs.prepare.job import prepare
from tunesmith.contracts.datasets import Source, SourceKind
from tunesmith.contracts.environment import VCPUS
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import ExitCode, JobName, PrepareParams, PrepareResult
from tunesmith.contracts.preparation import PiiType
from tunesmith.contracts.recipes import PrepareRecipe

USUAL: dict[str, Any] = {"min_rows": 1, "group_by": "topic"}
EVERY_STEP: dict[str, Any] = {
    "min_rows": 1,
    "max_quarantined_fraction": 1,
    "read": {"mixed_formats": "convert", "documents": "paragraph"},
    "normalise": {"unicode": "nfkc", "mojibake": True, "invisible": "remove", "special_tokens": "escape"},
    "redact": {"types": list(PiiType)},
    "language": {"keep": ["en"]},
    "quality": {"min_words": 1, "max_words": 10_000},
    "deduplicate": {"keep": "first"},
    "label": {"rules": [{"label": "even", "pattern": "0 —"}, {"label": "odd", "pattern": "1 —"}], "classifier": True},
    "balance": {"by": "length"},
}
EVALUATION = "evaluation.jsonl"
VALUES = (
    "card 4111 1111 1111 1111, IBAN GB82 WEST 1234 5698 7654 32, SSN 219-09-9999, MAC 00:1B:44:11:3A:B7, IP "
    "203.0.113.9 and 2001:db8::1, key AKIAIOSFODNN7EXAMPLE, password: hunter2hunter2, https://ann:secret@example.org/, "
    "passport number 912803456, bitcoin 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa, Ann Smith of 12 Elm Street, Leeds LS1 4AP."
)
"""Something of every type that is looked for: some kernels are called only where it stands."""
SENTENCE = "the quick brown fox writes to café owners about 42 invoices and asks if they were paid in May"


def main() -> int:
    """The exit code of the first run that failed, else DONE; names kernels that no run has called."""
    os.environ[VCPUS] = "1"  # no other process compiles what this one could not count
    for name, text in _files().items():
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            file.write_text(text, encoding="utf-8")
            for params in _runs(file):
                code = _prepare(params)
                if code != ExitCode.DONE:
                    return code
    print(json.dumps({"compiled": len(_kernels()), "not_called": _not_called()}))
    return ExitCode.DONE


def _runs(file: Path) -> Iterator[PrepareParams]:
    """Each is made when the one before is done: its test split is the frozen one of those that follow."""
    first = _params(file, "usual", USUAL)
    yield first
    made = PrepareResult.model_validate_json(_job_folder(first).joinpath("result.json").read_bytes())
    suite = {"suite_uri": made.test_uri, "suite_digest": made.test_digest, "scans_uri": f"{file.parent}/scans/"}
    (file.parent / EVALUATION).write_text(_line({"prompt": _text(7_001), "completion": _text(7_002)}))
    every_step = EVERY_STEP | {"decontaminate": {"against": [str(file.parent / EVALUATION)]}}
    yield _params(file, "every step", every_step, **suite)
    yield _params(file, "scanned before", every_step, **suite)


def _params(file: Path, name: str, recipe: dict[str, Any], **more: str) -> PrepareParams:
    version = digest(f"{name} of {file.name}")
    return PrepareParams(
        run_id=f"run-{version[:32]}",
        project="image",
        dataset="rows",
        dataset_version=version,
        sources=[Source(kind=SourceKind.UPLOAD, source_id=digest(file.name), uri=str(file), version_id="1")],
        recipe=PrepareRecipe.model_validate(recipe),
        output_uri=f"{file.parent}/{version}/",
        **more,
    )


def _job_folder(params: PrepareParams) -> Path:
    return Path(params.output_uri) / "job"


def _prepare(params: PrepareParams) -> int:
    folder = _job_folder(params)
    folder.mkdir(parents=True)
    (folder / "params.json").write_text(params.model_dump_json())
    return run_job(JobName.PREPARE, PrepareParams, PrepareResult, prepare, [str(folder / "params.json")])


def _text(seed: int) -> str:
    words = SENTENCE.split()
    body = " ".join(words[(seed * 7 + place * (1 + seed % 5)) % len(words)] for place in range(40))
    told = f"{body} {seed // 2} — reach me at person{seed}@example.org or +1 212 555 01{seed % 100:02d}."
    return f"{told} {VALUES}" if seed % 20 == 0 else told


def _files() -> dict[str, str]:
    """One of each type, with near and exact duplicates and a row that is bad."""
    texts = [_text(seed) for seed in range(60)]
    return {
        "chats.jsonl": "".join(_line(row) for row in _chats()),
        "pairs.jsonl": "".join(
            _line({"prompt": text, "chosen": f"{text} Yes.", "rejected": f"No. {text}"}) for text in texts
        ),
        "rows.json": json.dumps([{"prompt": text, "completion": f"{text} Yes."} for text in texts]),
        "rows.csv": "prompt,completion\n" + "".join(f'"{text}","so ""it"" is: {text}"\n' for text in texts),
        "notes.txt": "\n\n".join(texts),
    }


def _chats() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for seed in [*range(60), 3]:
        turns = [{"role": "user", "content": _text(seed)}, {"role": "assistant", "content": _text(seed + 1000)}]
        rows.append({"messages": turns, "topic": f"t{seed % 30}"})
    return [*rows, {"messages": []}]


def _line(row: dict[str, object]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _kernels() -> dict[str, object]:
    """Every compiled function of the modules that the runs have loaded."""
    from numba.core.registry import CPUDispatcher

    modules = [module for name, module in sys.modules.items() if name.startswith("batch_jobs.prepare.")]
    return {
        f"{module.__name__}.{name}": found
        for module in modules
        if isinstance(module, ModuleType)
        for name, found in vars(module).items()
        if isinstance(found, CPUDispatcher) and found.py_func.__module__ == module.__name__
    }


def _not_called() -> list[str]:
    return sorted(name for name, kernel in _kernels().items() if not kernel.signatures)  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
