"""The doctor and the converter, as they are started: every row accounted for, every problem with its place."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_jobs.prepare import convert, doctor
from batch_jobs.prepare.examining import Examination
from batch_jobs.prepare.threads import Workers
from tests.batch_jobs.prepare.checking.rows import ANSWER, ASK, BETTER, chat
from tunesmith.contracts.checks import DatasetCheck
from tunesmith.contracts.datasets import DatasetKind, DropReason, ProblemCode, RowFormat, Severity
from tunesmith.contracts.recipes import PrepareRecipe

DATA = Path(__file__).parents[4] / "shared/data"
GOOD, OTHER = chat(ASK, ANSWER), chat(ASK, BETTER)


def write(file: Path, *rows: Any) -> Path:
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    return file


def run(main: Any, capsys: pytest.CaptureFixture[str], *words: Any) -> tuple[int, DatasetCheck]:
    code = main([str(word) for word in words])
    return code, DatasetCheck.model_validate_json(capsys.readouterr().out)


def test_every_row_is_accounted_for_and_every_problem_has_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "rows.jsonl", GOOD, b"", b"{", GOOD, chat(ASK), OTHER)
    code, told = run(doctor.main, capsys, file)
    assert (code, told.rows_in, told.kept, told.quarantined) == (1, 6, 2, 2)
    assert told.dropped == {DropReason.BLANK_LINE: 1, DropReason.EXACT_DUPLICATE: 1}
    content = file.read_bytes()
    for problem in told.problems:
        assert problem.file == str(file) and content[: problem.offset].count(b"\n") == problem.line - 1
        assert problem.hint and problem.message and problem.severity is Severity.ERROR
    assert [problem.line for problem in told.problems] == [3, 5]


def test_good_files_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a.jsonl", GOOD)
    write(tmp_path / "b.jsonl", OTHER, GOOD)
    write(tmp_path / "_dataset.json", {"not": "data"})
    code, told = run(doctor.main, capsys, tmp_path)
    assert (code, told.errors, told.kind, told.formats) == (0, 0, DatasetKind.CHAT, {RowFormat.CHAT: 3})
    assert [(Path(file.file).name, file.kept) for file in told.files] == [("a.jsonl", 1), ("b.jsonl", 1)]
    assert told.files[1].dropped == {DropReason.EXACT_DUPLICATE: 1}


def test_swapped_pair_is_a_warning_that_does_not_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = {"prompt": "q", "chosen": "a", "rejected": "b"}
    file = write(tmp_path / "pairs.jsonl", pair, pair | {"chosen": "b", "rejected": "a"})
    code, told = run(doctor.main, capsys, file)
    assert (code, told.errors, told.warnings, told.kept) == (0, 0, 1, 2)
    (problem,) = told.problems
    assert (problem.code, problem.severity, problem.line) == (ProblemCode.SWAPPED_PAIR, Severity.WARNING, 2)
    assert "line 1" in problem.message and told.swaps and told.swaps.contradicting_pairs == 1


def test_problems_are_listed_to_a_limit_and_counted_beyond(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "rows.jsonl", GOOD, *[b"{"] * 50, chat(ASK))
    _, told = run(doctor.main, capsys, file, "--limit", 10)
    assert told.problems_by_code == {ProblemCode.NOT_JSON: 50, ProblemCode.NO_ASSISTANT_TURN: 1}
    assert len(told.problems) == 11  # the one of another code is listed all the same


def test_file_that_cannot_be_read_is_told_of_beside_those_that_can(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, pdf, gone = write(tmp_path / "a.jsonl", GOOD), tmp_path / "b.jsonl", tmp_path / "gone.jsonl"
    pdf.write_bytes(b"%PDF-1.7\n")
    code, told = run(doctor.main, capsys, good, pdf, gone)
    assert (code, told.kept, told.errors) == (1, 1, 2)
    assert [bool(file.error) for file in told.files] == [False, True, True]


@pytest.mark.parametrize(
    ("name", "content"), [("a.jsonl", "\n \n"), ("a.csv", "prompt,completion\n"), ("a.csv", "\n\n"), ("a.json", "[]")]
)
def test_files_without_rows_fail(name: str, content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_text(content)
    code, told = run(doctor.main, capsys, tmp_path / name)
    assert (code, told.kept, told.errors) == (1, 0, 1) and told.error and "there are no rows" in told.error
    write(tmp_path / "b.jsonl", GOOD)
    assert run(doctor.main, capsys, tmp_path)[0] == 0  # an empty part beside others is none


def test_what_is_no_plain_file_is_told_beside_those_that_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "a.jsonl")
    good, pipe = write(tmp_path / "b.jsonl", GOOD), tmp_path / "a.jsonl"
    code, told = run(doctor.main, capsys, pipe, good, "/proc/self/mem")
    assert (code, told.kept, told.errors) == (1, 1, 2)
    assert told.files[0].error == f"{pipe}: a pipe or a device, which can be read only once; write it to a file first"
    assert told.files[2].error == "/proc/self/mem: cannot be read (Input/output error)"
    monkeypatch.setattr(Path, "open", _not_allowed)
    code, told = run(doctor.main, capsys, good)
    assert (code, told.files[0].error) == (1, f"{good}: cannot be read (Permission denied)")


def _not_allowed(file: Path, *_: Any) -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))


def test_a_name_that_is_no_utf8_is_spelt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [
        os.fsdecode(os.fsencode(tmp_path) + name) for name in (b"/caf\xe9.jsonl", b"/gone\xff.jsonl", b"/out\xfe.jsonl")
    ]
    write(Path(names[0]), GOOD, b"{")
    code, told = run(doctor.main, capsys, *names[:2])
    assert (code, told.kept, told.problems[-1].file) == (1, 1, rf"{tmp_path}/caf\udce9.jsonl")
    assert told.files[1].error == rf"there is no file {tmp_path}/gone\udcff.jsonl"
    assert run(convert.main, capsys, names[0], "-o", names[2])[1].kept == 1 and Path(names[2]).exists()


def test_files_of_several_kinds_are_no_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write(tmp_path / "a.jsonl", GOOD), write(tmp_path / "b.jsonl", {"text": "a"})
    code, told = run(doctor.main, capsys, *files)
    assert (code, told.kind) == (1, None) and told.error and "several kinds" in told.error


def test_recipe_decides_what_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, recipe = write(tmp_path / "rows.jsonl", {"question": "2 + 2?", "answer": "4\u200b"}), tmp_path / "recipe.yaml"
    recipe.write_text(
        "prepare: {read: {columns: {question: prompt, answer: completion}}, normalise: {invisible: remove}}"
    )
    assert run(doctor.main, capsys, file)[0] == 1
    assert run(doctor.main, capsys, file, "--recipe", recipe)[0] == 0


@pytest.mark.parametrize("words", [["gone/"], ["x.jsonl", "--recipe", "gone.yaml"]])
def test_command_line_that_makes_no_sense_is_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone").mkdir()
    assert doctor.main(words) == 2
    assert "gone" in capsys.readouterr().err


def test_objects_are_read_from_s3(buckets: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    s3, bucket = boto3.client("s3"), buckets["uploads"]
    for name, row in (("a.jsonl", GOOD), ("more/b.jsonl", OTHER), ("_dataset.json", {})):
        s3.put_object(Bucket=bucket, Key=f"uploads/p/d/{name}", Body=json.dumps(row).encode())
    code, told = run(doctor.main, capsys, f"s3://{bucket}/uploads/p/d/")
    assert (code, told.kept) == (0, 2)
    assert doctor.main(["s3://no-such-bucket/p/"]) == 2
    assert "s3://no-such-bucket/p/: " in capsys.readouterr().err
    code, told = run(doctor.main, capsys, f"s3://{bucket}/uploads/p/d/a.jsonl", f"s3://{bucket}/gone.jsonl")
    assert (code, told.kept, [bool(file.error) for file in told.files]) == (1, 1, [False, True])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.binary(max_size=30)
        | st.sampled_from([b"", b" ", b"{", b"\xff", b"[]", b'{"prompt": "a", "completion": "b"}', b'{"text": "x"}']),
        max_size=12,
    )
)
def test_any_bytes_are_conserved(tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[bytes]) -> None:
    content = b"\n".join(lines)
    (tmp_path / "rows.jsonl").write_bytes(content)
    _, told = run(doctor.main, capsys, tmp_path / "rows.jsonl")  # RowCounts holds the law
    if not told.files[0].error:
        assert told.rows_in == content.count(b"\n") + bool(content) - content.endswith(b"\n")


UNICODE = [{"prompt": "é – 你?", "completion": '😀 "a",\nb'}, {"prompt": "c", "completion": "ü"}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\r\n" for row in UNICODE)
CUTTABLE = {
    "a.jsonl": LINES.encode(),
    "b.jsonl": ("\ufeff" + LINES).encode(),
    "a.json": json.dumps(UNICODE, ensure_ascii=False, indent=1).encode(),
    "a.csv": 'prompt,completion\r\né – 你?,"😀 ""a"",\nb"\r\nc,ü\r\n'.encode(),
    "a.tsv": 'prompt\tcompletion\né – 你?\t"😀 ""a"",\nb"\nc\tü'.encode(),
    "a.txt": "é – 你?\r\n\r\n😀 a\r\nb\r\n\r\nü\r\n".encode(),
}


@pytest.mark.parametrize("name", CUTTABLE)
def test_a_file_cut_at_any_byte_loses_no_row_in_silence(name: str, tmp_path: Path) -> None:
    file, content = tmp_path / name, CUTTABLE[name]
    rows = [kept_of(file, content[:cut]) for cut in range(1, len(content) + 1)]
    whole, problem = rows[-1]
    assert problem is None and len(whole) == (3 if name == "a.txt" else 2)
    for found, problem in rows:
        if problem is None:
            assert found[:-1] == whole[: max(0, len(found) - 1)]
            assert not found or all(map(str.startswith, whole[len(found) - 1], found[-1]))
    assert all(problem for _, problem in rows[:-1]) == (name == "a.json")


def kept_of(file: Path, content: bytes) -> tuple[list[list[str]], str | None]:
    """The good rows' texts, and why the file is refused; the conservation law is held by DatasetCheck."""
    file.write_bytes(content)
    examination = Examination(PrepareRecipe(), 10)
    with Workers() as workers:
        checked = list(doctor.examine(examination, str(file), workers))
    (told,) = examination.told().files
    assert told.error is None or told.error.startswith(f"{file}: ")
    if told.error is None:
        assert (
            told.rows_in
            == told.kept + told.quarantined + sum(told.dropped.values())
            == sum(c.block.rows for c in checked)
        )
    rows = (each.batch.row(index) for each in checked for index in range(len(each.batch)))
    return [[turn.content for turn in row.turns] for row in rows], told.error


def test_conversion_writes_the_canonical_rows_and_tells_of_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "in.jsonl", {"question": "hello", "answer": "hi"}, {"question": "hello"})
    words = ("--columns", "question=prompt", "--columns", "answer=completion")
    code, told = run(convert.main, capsys, file, "-o", tmp_path / "out.jsonl", *words)
    assert (code, told.kept, told.quarantined) == (1, 1, 1)
    assert json.loads((tmp_path / "out.jsonl").read_text()) == chat(ASK, ANSWER)


def test_rows_that_the_format_cannot_say_are_counted_as_bad(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "in.jsonl", GOOD, chat(ASK, ASK, ANSWER))
    code, told = run(convert.main, capsys, file, "-o", tmp_path / "out.jsonl", "--to", "alpaca")
    assert (code, told.kept, told.problems[0].line) == (1, 1, 2)
    assert json.loads((tmp_path / "out.jsonl").read_text()) == {"instruction": "hello", "output": "hi"}


def test_file_is_not_converted_onto_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "in.jsonl", GOOD)
    assert convert.main([str(file), "-o", str(file)]) == 2
    assert json.loads(file.read_text()) == GOOD and "another name" in capsys.readouterr().err


REAL = {
    "openai_ft/toy_chat_fine_tuning.jsonl": (5, 5, RowFormat.CHAT, []),
    "gsm8k/train.first200.jsonl": (200, 200, RowFormat.PROMPT_COMPLETION, ["question=prompt", "answer=completion"]),
}


@pytest.mark.skipif(not DATA.is_dir(), reason="shared/data is not beside the repository")
@pytest.mark.parametrize("name", REAL)
def test_real_files_convert(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    rows, good, found, columns = REAL[name]
    words = [word for pair in columns for word in ("--columns", pair)]
    code, told = run(convert.main, capsys, DATA / name, "-o", tmp_path / "out.jsonl", *words)
    assert (code, told.rows_in, told.kept, told.files[0].format) == (0, rows, good, found)
    code, told = run(doctor.main, capsys, tmp_path / "out.jsonl")
    assert (code, told.rows_in, told.formats) == (0, good, {RowFormat.CHAT: good})


def test_rows_of_arrays_and_tables_are_told_by_line_and_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.json").write_text('[\n {"text": "a"},\n {"text": "",\n  "x": 1}, {"text": ""},\n {"text": "b"}\n]\n')
    (tmp_path / "b.csv").write_text('text,n\nhello,1\n"a\nb",2\n"",3\nx\n')
    _, told = run(doctor.main, capsys, tmp_path / "a.json", tmp_path / "b.csv")
    found = [(problem.line, problem.offset, problem.message.partition(":")[0]) for problem in told.problems]
    assert found == [(3, 19, "record 2"), (4, 43, "record 3"), (5, 23, "record 3"), (6, 28, "record 4, line 6")]
    assert told.rows_in == 8 and told.kept == 4
