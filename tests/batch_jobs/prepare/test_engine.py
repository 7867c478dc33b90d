"""The whole job, whatever the rows are, whatever runs it, and whatever stops it."""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from batch_jobs.harness.main import JobContext
from batch_jobs.prepare import engine, threads
from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.reading import json_lines, ranges
from batch_jobs.prepare.spool import Spool
from tests.support.preparing import EASY, Workplace, jsonl
from tunesmith.contracts.datasets import DatasetKind, DropReason, RowFormat, Split
from tunesmith.contracts.jobs import ExitCode, PrepareParams
from tunesmith.contracts.preparation import DecontaminateRecipe, DeduplicateRecipe, ReadRecipe
from tunesmith.contracts.profiles import DatasetProfile

ROWS = 100
ROOMY = EASY.model_copy(update={"max_line_bytes": 100_000})


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str | None, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def asked(number: int) -> Turn:
    return Turn("user", f"Wie groß ist {number}?", False)


def answered(text: str) -> Turn:
    return Turn("assistant", text, True)


def explicit(n: int) -> tuple[dict[str, Any], Row]:
    pair = {"prompt": asked(n).content, "chosen": f"👍 {n}", "rejected": f"👎 {n}"}
    return pair, Row(RowFormat.PREFERENCE, (asked(n),), (answered(f"👍 {n}"),), (answered(f"👎 {n}"),))


def implicit(n: int) -> tuple[dict[str, Any], Row]:
    history = [user("hello"), assistant("Yes?"), user(f"number {n}")]
    sides = {"chosen": [*history, assistant(f"good {n}")], "rejected": [*history, assistant(f"bad {n}")]}
    turns = (Turn("user", "hello", False), Turn("assistant", "Yes?", False), Turn("user", f"number {n}", False))
    return sides, Row(RowFormat.PREFERENCE, turns, (answered(f"good {n}"),), (answered(f"bad {n}"),))


def openai(n: int) -> tuple[dict[str, Any], Row]:
    pair = {
        "input": {"messages": [{"role": "system", "content": "Be brief."}, user(f"number {n}")]},
        "preferred_output": [assistant(f"good {n}")],
        "non_preferred_output": [assistant(f"bad {n}")],
    }
    turns = (Turn("system", "Be brief.", False), Turn("user", f"number {n}", False))
    return pair, Row(RowFormat.PREFERENCE, turns, (answered(f"good {n}"),), (answered(f"bad {n}"),))


def unpaired(n: int) -> tuple[dict[str, Any], Row]:
    said = {"prompt": asked(n).content, "completion": f"answer {n}", "label": n % 2 == 0}
    turns = (asked(n), answered(f"answer {n}"))
    return said, Row(RowFormat.UNPAIRED_PREFERENCE, turns, label=n % 2 == 0)


def prompt_only(n: int) -> tuple[dict[str, Any], Row]:
    columns = {"solution": {"value": n, "steps": ["é", None]}, "level": n / 4}
    shots = [user("2?"), assistant("two")]
    turns = (Turn("user", "2?", False), Turn("assistant", "two", True), asked(n))
    return {"prompt": [*shots, user(asked(n).content)], **columns}, Row(RowFormat.PROMPT_ONLY, turns, columns=columns)


def plain_text(n: int) -> tuple[dict[str, Any], Row]:
    return {"text": f"Chapter {n}.\nIt rained."}, Row(
        RowFormat.TEXT, (Turn("text", f"Chapter {n}.\nIt rained.", True),)
    )


def tool_chat(n: int) -> tuple[dict[str, Any], Row]:
    tools = [{"type": "function", "function": {"name": "size_of", "parameters": {"type": "object"}}}]
    call = {"id": f"call_{n}", "type": "function", "function": {"name": "size_of", "arguments": f'{{"n": {n}}}'}}
    messages = [
        user(f"How large is {n}?") | {"name": "ann"},
        assistant(None, tool_calls=[call]),
        {"role": "tool", "tool_call_id": f"call_{n}", "content": ""},
        assistant("Unclear.", weight=0),
        user("And now?"),
        assistant(f"It is {n}."),
    ]
    turns = (
        Turn("user", f"How large is {n}?", False, name="ann"),
        Turn("assistant", "", True, tool_calls=json.dumps([call])),
        Turn("tool", "", False, tool_call_id=f"call_{n}"),
        Turn("assistant", "Unclear.", False),
        Turn("user", "And now?", False),
        Turn("assistant", f"It is {n}.", True),
    )
    return {"messages": messages, "tools": tools}, Row(RowFormat.CHAT, turns, tools=json.dumps(tools))


MADE = {
    "explicit": (explicit, DatasetKind.PREFERENCE),
    "implicit": (implicit, DatasetKind.PREFERENCE),
    "openai": (openai, DatasetKind.PREFERENCE),
    "unpaired": (unpaired, DatasetKind.UNPAIRED_PREFERENCE),
    "prompt_only": (prompt_only, DatasetKind.PROMPT_ONLY),
    "text": (plain_text, DatasetKind.TEXT),
    "tool_chat": (tool_chat, DatasetKind.CHAT),
}


def comparable(row: Row) -> tuple:
    """JSON columns by what they say."""

    def turns(part: tuple[Turn, ...]) -> list[tuple]:
        return [
            (turn.role, turn.content, turn.trained, turn.name, turn.tool_call_id, json.loads(turn.tool_calls or "null"))
            for turn in part
        ]

    sides = [turns(part) for part in (row.turns, row.chosen, row.rejected)]
    return (row.kind, *sides, row.label, json.loads(row.tools or "null"), row.columns)


@pytest.mark.parametrize("name", MADE)
def test_rows_of_every_kind_are_in_the_files_as_they_were_uploaded(place: Workplace, name: str) -> None:
    make, kind = MADE[name]
    uploaded, expected = zip(*map(make, range(ROWS)), strict=True)
    kept = ReadRecipe(keep_columns=["solution", "level"])
    recipe = ROOMY.model_copy(update={"read": kept, "group_by": "chat"})  # grouped, no turn in the middle is held out
    params = place.params(place.source("a.jsonl", jsonl(uploaded)), recipe=recipe)
    manifest = place.manifest(params)
    assert (manifest.kind, manifest.counts.kept) == (kind, ROWS)
    assert all(manifest.splits[split].rows for split in Split)
    found = place.kept(params, manifest)
    assert {where: comparable(row) for where, row in found.items()} == {
        f"a.jsonl:{number}": comparable(row) for number, row in enumerate(expected, 1)
    }


@pytest.mark.parametrize("name", MADE)
def test_rows_of_every_kind_survive_the_disk_between_the_passes(place: Workplace, name: str) -> None:
    rows = [MADE[name][0](n)[0] for n in range(ROWS)]
    odd = {"level": float("1e300"), "solution": {"\u2028": "\x00😀", "deep": [[[]], 2**63 - 1, -0.0, True]}}
    source = place.source("a.jsonl", jsonl(row | odd for row in rows))
    recipe = ROOMY.model_copy(update={"read": ReadRecipe(keep_columns=["solution", "level"])})
    usual = place.params(source, recipe=recipe, name="usual")
    manifest = place.manifest(usual)
    assert manifest.counts.kept == ROWS
    assert [row.columns for row in place.kept(usual, manifest).values()] == [odd] * ROWS
    for scans in ("kept", "found"):
        with pytest.MonkeyPatch.context() as patch:
            MACHINES["no memory"](patch)
            params = place.params(source, recipe=recipe, name=scans, scans_uri=f"{place.folder}/scans/")
            place.manifest(params)
        assert bytes_of(params) == bytes_of(usual), scans


def test_pairs_without_a_common_prompt_are_split_by_what_they_say(place: Workplace) -> None:
    pairs = [{"chosen": f"yes {n}", "rejected": f"no {n}"} for n in range(ROWS)]
    manifest = place.manifest(place.params(place.source("a.jsonl", jsonl(pairs)), recipe=ROOMY))
    assert [entry.rows > 0 for entry in manifest.splits.values()] == [True] * 3
    assert manifest.counts.kept == ROWS


def test_files_of_different_kinds_are_refused_with_what_they_hold(
    place: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs, texts = (jsonl(make(n)[0] for n in range(ROWS)) for make in (explicit, plain_text))
    params = place.params(place.source("a.jsonl", pairs), place.source("b.jsonl", texts))
    assert place.run(params) == ExitCode.BAD_INPUT
    error = capsys.readouterr().err
    assert f"{ROWS} rows of preference" in error and f"{ROWS} rows of language_modeling" in error
    assert "one kind" in error and not (Path(params.output_uri) / "manifest.json").exists()


def test_test_split_of_pairs_is_a_frozen_suite_for_the_next_version(place: Workplace) -> None:
    pairs = [implicit(n)[0] for n in range(ROWS)]
    first = place.params(place.source("a.jsonl", jsonl(pairs)), recipe=ROOMY, name="first")
    frozen = place.frozen(first, place.manifest(first))
    for pair in pairs:
        pair["rejected"][-1] = assistant("anything else")
    moved = ROOMY.model_copy(update={"seed": 1})
    second = place.params(place.source("b.jsonl", jsonl(pairs)), recipe=moved, name="second", **frozen)
    place.manifest(second)
    held_out, trained = (
        {row["messages"][-1]["content"] for row in place.rows(params, split)}
        for params, split in ((first, Split.TEST), (second, Split.TRAIN))
    )
    assert held_out and trained and not held_out & trained


@pytest.mark.parametrize("name", ["explicit", "implicit", "unpaired"])
def test_answers_to_one_prompt_are_all_in_one_split(place: Workplace, name: str) -> None:
    """Four rows a prompt, which differ in their answers alone."""

    def varied(n: int, k: int) -> dict[str, Any]:
        row = MADE[name][0](n)[0]
        if name == "implicit":
            row["chosen"][-1] = assistant(f"better {k}")
        else:
            row["chosen" if name == "explicit" else "completion"] = f"better {k}"
        return row

    content = jsonl(varied(n, k) for n in range(ROWS) for k in range(4))
    params = place.params(place.source("a.jsonl", content), recipe=ROOMY)
    manifest = place.manifest(params)
    asked_in = [
        {tuple(m["content"] for m in row["messages"] if m["role"] == "user") for row in place.rows(params, split)}
        for split in Split
    ]
    assert all(manifest.splits[split].rows for split in Split)
    assert sum(map(len, asked_in)) == ROWS == len(set.union(*asked_in))


def chats(count: int, start: int = 0) -> bytes:
    """Rows that are alike in nothing, some of them twice or nearly so, some of them bad."""
    words = ["amber", "birch", "cedar", "delta", "ember", "fjord", "gorse", "heath", "islet", "jetty", "knoll", "larch"]
    rows = []
    for n in range(start, start + count):
        said = " ".join(words[(n * 7 + k * k * (n % 5 + 1)) % 12] + str(n * k) for k in range(30))
        rows.append({"messages": [user(f"{said}, mail a{n}@example.org?"), assistant(f"Answer {n}: {said[::-1]}")]})
    near = [{"messages": [user(f"Please: {row['messages'][0]['content']}"), row["messages"][1]]} for row in rows[::7]]
    lines = [json.dumps(row).encode() for row in [*rows, *rows[::9], *near]]
    lines[::31] = [b'{"cut' for _ in lines[::31]]
    return b"\n".join(lines)


def bytes_of(params: PrepareParams) -> dict[str, bytes]:
    """All files of the version but those that tell of the run itself."""
    folder = Path(params.output_uri)
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix in (".parquet", ".jsonl")}


MACHINES: dict[str, Callable[[pytest.MonkeyPatch], object]] = {
    "one thread": lambda patch: patch.setattr(threads, "cores", lambda: 1),
    "two threads": lambda patch: patch.setattr(threads, "cores", lambda: 2),
    "five threads": lambda patch: patch.setattr(threads, "cores", lambda: 5),
    "small blocks": lambda patch: patch.setattr(json_lines, "BLOCK_BYTES", 2_000),
    "no memory": lambda patch: memory(patch, 0),
    "small blocks, five threads, no memory": lambda patch: [MACHINES[name](patch) for name in list(MACHINES)[2:5]],
    "two processes": lambda patch: processes(patch, 2),
    "five processes, little memory": lambda patch: [processes(patch, 5), memory(patch, 100_000)],
    "three processes, small blocks, no memory": lambda patch: [
        processes(patch, 3),
        memory(patch, 0),
        patch.setattr(json_lines, "BLOCK_BYTES", 700),
    ],
}


def memory(patch: pytest.MonkeyPatch, size: int) -> None:
    patch.setattr(Spool.__init__, "__defaults__", (size,))


def processes(patch: pytest.MonkeyPatch, count: int) -> None:
    """So many, although the file is small and tests may have threads."""
    patch.setattr(threads, "cores", lambda: count)
    patch.setattr(engine, "may_fork", lambda: True)
    patch.setattr(ranges, "BLOCK_BYTES", 2_000)


def test_bytes_are_the_same_whatever_runs_it(place: Workplace) -> None:
    sources = place.source("a.jsonl", chats(300)), place.source("b.jsonl", chats(100, 250))
    first = place.params(*sources, recipe=ROOMY, name="first")
    suite = place.frozen(first, place.manifest(first))
    usual = place.params(*sources, recipe=ROOMY, name="usual", **suite)
    counts = place.manifest(usual).counts
    assert {DropReason.EXACT_DUPLICATE, DropReason.NEAR_DUPLICATE, DropReason.NEAR_FROZEN_TEST} <= set(counts.dropped)
    assert counts.quarantined > 5
    for name, machine in MACHINES.items():
        for scans in ("none", "kept", "found"):
            with pytest.MonkeyPatch.context() as patch:
                machine(patch)
                more = {} if scans == "none" else {"scans_uri": f"{place.folder}/scans of {name}/"}
                params = place.params(*sources, recipe=ROOMY, name=f"{name}, {scans}", **suite, **more)
                place.manifest(params)
            assert bytes_of(params) == bytes_of(usual), (name, scans)
    assert len(bytes_of(usual)) >= 4


def test_near_duplicates_of_frozen_items_are_not_trained_on_whichever_files_they_are_in(place: Workplace) -> None:
    first = place.params(place.source("a.jsonl", chats(200)), recipe=ROOMY, name="first")
    suite = place.frozen(first, place.manifest(first))
    items = place.rows(first, Split.TEST)
    assert len(items) > 10
    near = [{"messages": [user(f"Kindly: {said[0]}"), assistant(said[1])]} for said in map(contents, items)]
    files = [place.source(f"{k}.jsonl", jsonl(near[k::3]) + b"\n" + chats(60, 1_000 * (k + 1))) for k in range(3)]
    recipe = ROOMY.model_copy(update={"deduplicate": DeduplicateRecipe(near=False)})
    params = place.params(place.source("a.jsonl", chats(200)), *files, recipe=recipe, name="second", **suite)
    manifest = place.manifest(params)
    asked = {contents(row)[0] for row in items}
    learnt = [contents(row) for split in (Split.TRAIN, Split.VALIDATION) for row in place.rows(params, split)]
    assert learnt and not [said for said in learnt if said[0].removeprefix("Kindly: ") in asked]
    assert asked <= {contents(row)[0] for row in place.rows(params, Split.TEST)}
    dropped = manifest.counts.dropped
    assert dropped[DropReason.NEAR_FROZEN_TEST] >= len(near) * 0.6
    folder = Path(params.output_uri)
    shown = DatasetProfile.model_validate_json((folder / "profile.json").read_text()).run.near_duplicates
    assert shown and len(shown.frozen) == 4
    for of_the_split, row in shown.frozen:
        assert of_the_split in map("\n".join, map(contents, items)) and row != of_the_split
    told = f"{dropped[DropReason.NEAR_FROZEN_TEST]} rows were dropped. The first"
    assert told in (folder / "report.html").read_text()
    careless = recipe.model_copy(update={"decontaminate": DecontaminateRecipe(near=False)})
    other = place.params(*files, recipe=careless, name="careless", **suite)
    assert DropReason.NEAR_FROZEN_TEST not in place.manifest(other).counts.dropped
    assert any(contents(row)[0].startswith("Kindly: ") for row in place.rows(other, Split.TRAIN))


def contents(row: dict[str, Any]) -> list[str]:
    return [message["content"] for message in row["messages"]]


@pytest.mark.parametrize("stage", ["scanning", "writing"])
def test_job_that_is_asked_to_stop_publishes_nothing_and_ends_well_the_next_time(
    place: Workplace, capsys: pytest.CaptureFixture[str], stage: str
) -> None:
    source = place.source("a.jsonl", chats(300))
    params = place.params(source, recipe=ROOMY, scans_uri=f"{place.folder}/scans/")
    told = JobContext.progress
    seen: list[str] = []

    def progress(self: JobContext, done: float, total: float, unit: str, note: str = "") -> None:
        told(self, done, total, unit, note)
        seen.append(note)
        if len(seen) == 3 if stage == "scanning" else seen.count("writing") == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "BLOCK_BYTES", 20_000)
        patch.setattr(JobContext, "progress", progress)
        assert place.run(params) == ExitCode.INTERRUPTED
    assert ("writing" in seen) == (stage == "writing")
    assert "starting it again is safe" in capsys.readouterr().err
    assert [path.name for path in Path(params.output_uri).iterdir()] == ["job"]
    expected = place.params(source, recipe=ROOMY, name="unbroken")
    assert place.manifest(params).splits == place.manifest(expected).splits
    assert bytes_of(params) == bytes_of(expected)


LIMITED = """
import resource, signal, sys
from pathlib import Path
from tests.support.preparing import Workplace
from tunesmith.contracts.jobs import PrepareParams

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
params = PrepareParams.model_validate_json(Path(sys.argv[1]).read_bytes())
from batch_jobs.prepare import spool
spool.Spool.__init__.__defaults__ = (int(sys.argv[3]),)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
sys.exit(Workplace(Path()).run(params))
"""


@pytest.mark.parametrize(
    ("packed", "memory", "room", "file"),
    [
        (True, 0, 100_000, r"spool/(\d-)?000000\.rows"),
        (True, 256 << 20, 59_000, r"spool/signatures\.bin"),
        (False, 256 << 20, 150_000, r"dataset/train-00000-of-00001\.parquet"),
    ],
    ids=["rows", "signatures", "parquet"],
)
def test_full_disk_is_told_and_nothing_is_published(
    place: Workplace, packed: bool, memory: int, room: int, file: str
) -> None:
    """Uploads are small enough to be fetched; what is made of them is not small enough to be written."""
    files = [gzip.compress(long_chats(60, k)) if packed else long_chats(60, k) for k in range(4)]
    sources = [place.source(f"{k}.jsonl", content) for k, content in enumerate(files)]
    assert (
        place.manifest(place.params(*sources, recipe=ROOMY, name="roomy")).counts.kept == 240
    )  # all loops are compiled
    params = place.params(*sources, recipe=ROOMY)
    (place.folder / "params.json").write_text(params.model_dump_json())
    ran = run_child(LIMITED, str(place.folder / "params.json"), str(room), str(memory))
    assert ran.returncode == ExitCode.FAILED
    assert "File too large" in ran.stderr and "make room" in ran.stderr and re.search(file, ran.stderr), ran.stderr
    assert "Traceback" not in ran.stderr
    assert [path.name for path in Path(params.output_uri).iterdir()] == ["job"]
    assert place.manifest(params).counts.kept == 240


MEASURED = """
import sys
from pathlib import Path
from tests.support.memory import peak_mebibytes
from tests.support.preparing import Workplace
from tunesmith.contracts.jobs import PrepareParams

params = PrepareParams.model_validate_json(Path(sys.argv[1]).read_bytes())
from batch_jobs.prepare import spool
spool.Spool.__init__.__defaults__ = (16 << 20,)
code = Workplace(Path()).run(params)
print("PEAK", peak_mebibytes())
sys.exit(code)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_upload(place: Workplace) -> None:
    file = place.folder / "a.jsonl"
    with file.open("wb") as out:
        for k in range(8):
            out.write(long_chats(6_400, k) + b"\n")
    assert file.stat().st_size > 115 << 20
    source = place.source("b.jsonl", b"").model_copy(update={"uri": str(file)})
    params = place.params(source, recipe=ROOMY)
    (place.folder / "params.json").write_text(params.model_dump_json())
    ran = run_child(MEASURED, str(place.folder / "params.json"))
    assert ran.returncode == ExitCode.DONE, ran.stderr
    peak = int(ran.stdout.rpartition("PEAK")[2])
    assert 100 < peak < 900, f"{peak} MiB"


def long_chats(count: int, seed: int) -> bytes:
    """Rows of some 2 kB, unlike each other."""
    random = Random(seed)
    words = [f"w{n}" for n in range(5_000)]
    return jsonl(
        {"messages": [user(f"{seed} {n}"), assistant(" ".join(random.choices(words, k=400)))]} for n in range(count)
    )


def run_child(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment)
