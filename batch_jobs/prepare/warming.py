"""Compile the kernels once, when the image is built, so that no job waits for the compiler.

    NUMBA_CACHE_DIR=/opt/numba NUMBA_CPU_NAME=x86-64-v3 NUMBA_CPU_FEATURES= python -m batch_jobs.prepare.warming

What is compiled depends on the types of the arguments, so `prepare` itself runs, on a few rows of each kind. numba
takes what it kept only where name and features of the CPU are those it was compiled for (hence a common baseline) and
the source file is as old as it was (images keep whole seconds, so the Dockerfile gives sources whole seconds first).
"""

import json
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from batch_jobs.harness.main import run_job
from batch_jobs.prepare.__main__ import prepare
from tunesmith.contracts.datasets import Source, SourceKind
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import ExitCode, JobName, PrepareParams, PrepareResult
from tunesmith.contracts.recipes import PrepareRecipe

RECIPE = {"min_rows": 1, "quality": {"measure": True}, "group_by": "topic"}
SENTENCE = "the quick brown fox writes to café owners about 42 invoices and asks if they were paid in May"


def main() -> int:
    """The exit code of the first run that failed, else DONE; names kernels that no run has called."""
    for name, text in _files().items():
        with tempfile.TemporaryDirectory() as folder:
            code = _prepare(Path(folder) / name, text)
        if code != ExitCode.DONE:
            return code
    print(json.dumps({"compiled": len(_kernels()), "not_called": _not_called()}))
    return ExitCode.DONE


def _prepare(file: Path, text: str) -> int:
    file.write_text(text, encoding="utf-8")
    folder = file.parent
    params = PrepareParams(
        run_id=f"run-{digest(file.name)[:32]}",
        project="image",
        dataset="rows",
        dataset_version=digest(file.name),
        sources=[Source(kind=SourceKind.UPLOAD, source_id=digest(file.name), uri=str(file), version_id="1")],
        recipe=PrepareRecipe.model_validate(RECIPE),
        output_uri=f"{folder}/out/",
    )
    (folder / "params.json").write_text(params.model_dump_json())
    return run_job(JobName.PREPARE, PrepareParams, PrepareResult, prepare, [str(folder / "params.json")])


def _text(seed: int) -> str:
    words = SENTENCE.split()
    body = " ".join(words[(seed * 7 + place * (1 + seed % 5)) % len(words)] for place in range(40))
    return f"{body} {seed // 2} — reach me at person{seed}@example.org or +1 212 555 01{seed % 100:02d}."


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
