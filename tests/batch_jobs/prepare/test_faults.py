"""What is wrong with datasets, each fault once, through the doctor or the whole job as people start them.

A fault has a number, D01 to D25; tests of single steps that go deeper carry it too. After each, the conservation law
holds: `DatasetCheck` and `DatasetManifest` refuse to be made where a row came in and did not leave (D24).
"""

import gzip
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from batch_jobs.prepare import doctor
from tests.batch_jobs.prepare.checking.rows import ANSWER, ASK, chat
from tests.support.preparing import EASY, Workplace, jsonl
from tunesmith.contracts.checks import DatasetCheck, FoundProblem
from tunesmith.contracts.datasets import DropReason, ProblemCode, Split
from tunesmith.contracts.jobs import ExitCode
from tunesmith.contracts.preparation import DecontaminateRecipe, ReadRecipe, RedactRecipe
from tunesmith.contracts.profiles import DatasetProfile

GOOD = json.dumps(chat(ASK, ANSWER)).encode()
SECRET = "AKIA" + "QYLPMN5HHHFPZAM2"

Check = Callable[..., DatasetCheck]


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """What the doctor says of a file with this content; nothing of it goes to standard error."""

    def checked(content: bytes, name: str = "rows.jsonl") -> DatasetCheck:
        (tmp_path / name).write_bytes(content)
        code = doctor.main([str(tmp_path / name)])
        told = capsys.readouterr()
        assert told.err == ""
        answer = DatasetCheck.model_validate_json(told.out)
        assert code == (1 if answer.errors else 0)
        return answer

    return checked


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def between_good_rows(check: Check, line: bytes) -> FoundProblem:
    """The problem of one line between two good rows, which are kept (they are the same: one is a duplicate)."""
    told = check(GOOD + b"\n" + line + b"\n" + GOOD + b"\n")
    assert (told.rows_in, told.kept, told.quarantined, told.dropped) == (3, 1, 1, {DropReason.EXACT_DUPLICATE: 1})
    (problem,) = told.problems
    assert (problem.line, problem.offset) == (2, len(GOOD) + 1) and problem.hint and problem.message
    return problem


def refusal(told: DatasetCheck) -> str:
    """Why the whole file is refused, so that none of its rows is an upload's."""
    (file,) = told.files
    assert file.error and Path(file.file).name in file.error and told.errors
    problem, code = (
        told.problems[0],
        ProblemCode.TYPE_MISMATCH if "TYPE_MISMATCH" in file.error else ProblemCode.UNREADABLE,
    )
    assert (problem.code, problem.message, problem.file) == (code, file.error, file.file)
    assert told.problems_by_code[code] == 1
    return file.error


@pytest.mark.parametrize("cut", [1, 12, 30, len(GOOD) - 1])
def test_line_that_is_cut_off(check: Check, cut: int) -> None:
    """D01"""
    assert between_good_rows(check, GOOD[:cut]).code is ProblemCode.NOT_JSON


def test_bytes_that_are_no_utf8(check: Check) -> None:
    """D02"""
    problem = between_good_rows(check, GOOD.replace(b"hello", b"caf\xe9"))
    assert problem.code is ProblemCode.NOT_UTF8 and "byte 47" in problem.message
    for charset in ("utf-16", "utf-16-le", "utf-32"):
        assert "TYPE_MISMATCH: this is UTF" in refusal(check((GOOD + b"\n").decode().encode(charset)))
    assert check(b"\xef\xbb\xbf" + GOOD).kept == 1


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"1e999", b"9" * 30, b"-" + b"9" * 5_000])
def test_number_that_no_type_holds(check: Check, number: bytes) -> None:
    """D03"""
    assert between_good_rows(check, GOOD[:-1] + b', "n": ' + number + b"}").code is ProblemCode.NUMBER_RANGE


@pytest.mark.parametrize(
    ("more", "key"), [(b'"x": 1, "x": 1', "x"), (b'"x": {"y": 1, "y": 2}', "y"), (b'"messages": []', "messages")]
)
def test_key_that_stands_twice(check: Check, more: bytes, key: str) -> None:
    """D04"""
    problem = between_good_rows(check, GOOD[:-1] + b", " + more + b"}")
    assert (problem.code, problem.field) == (ProblemCode.DUPLICATE_KEY, key)


@pytest.mark.parametrize("pair", [b"[]", (b'{"a":', b"}")])
def test_nesting_that_is_20000_deep(check: Check, pair: Any) -> None:
    """D05"""
    begin, end = (pair[:1], pair[1:]) if isinstance(pair, bytes) else pair
    deep = begin * 20_000 + b"0" + end * 20_000
    assert between_good_rows(check, GOOD[:-1] + b', "x": ' + deep + b"}").code is ProblemCode.TOO_DEEP
    assert between_good_rows(check, deep).code is ProblemCode.TOO_DEEP


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1500 << 20,) * 2)
from batch_jobs.prepare.doctor import main
from tests.support.memory import peak_mebibytes
code = main(sys.argv[1:])
print(peak_mebibytes(), file=sys.stderr)
sys.exit(code)
"""


def test_giant_line_within_a_memory_limit(tmp_path: Path) -> None:
    """D06: half a GiB without a line break; the next line is read."""
    with (tmp_path / "rows.jsonl").open("wb") as out:
        out.write(GOOD + b'\n{"messages": "')
        for _ in range(512):
            out.write(b"x" * (1 << 20))
        out.write(b'"}\n' + GOOD.replace(b"hello", b"goodbye") + b"\n")
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "rows.jsonl")], capture_output=True, check=False
    )
    told = DatasetCheck.model_validate_json(ran.stdout)
    assert (told.kept, told.problems[0].code, told.problems[0].line) == (2, ProblemCode.LINE_TOO_LONG, 2)
    assert int(ran.stderr) < 450, ran.stderr  # MiB


def test_gzip_bomb(check: Check, place: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """D07: stopped long before its end, and nothing of it is published."""
    bomb = gzip.compress((GOOD + b"\n") * (200 << 20 >> 7), mtime=0)
    assert "max_inflation" in refusal(check(bomb, "rows.jsonl.gz"))
    params = place.params(place.source("rows.jsonl.gz", bomb))
    assert place.run(params) == ExitCode.BAD_INPUT and "max_inflation" in capsys.readouterr().err
    assert [path.name for path in Path(params.output_uri).iterdir()] == ["job"]


def test_zip_of_any_kind(check: Check) -> None:
    """D08: nested, overlapping or one that holds itself: none is opened."""
    inner = b""
    for _ in range(3):
        packed = BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("rows.jsonl", inner or GOOD * 1_000)
        inner = packed.getvalue()
    for name in ("rows.jsonl", "rows.json", "rows.csv", "rows.txt", "rows.parquet", "rows.zip"):
        assert "TYPE_MISMATCH: this is a zip archive" in refusal(check(inner, name))
    assert "TYPE_MISMATCH: this is a zip archive" in refusal(check(gzip.compress(inner), "rows.jsonl.gz"))


def test_gzip_members(check: Check) -> None:
    """D09: all are read; a cut at any byte and a changed checksum refuse the file."""
    other = GOOD.replace(b"hello", b"goodbye")
    packed = gzip.compress(GOOD + b"\n", mtime=0) + gzip.compress(other + b"\n", mtime=0)
    assert check(packed, "rows.jsonl.gz").kept == 2
    border = len(gzip.compress(GOOD + b"\n", mtime=0))
    for cut in range(1, len(packed)):
        if cut != border:
            refusal(check(packed[:cut], "rows.jsonl.gz"))
    assert "broken after" in refusal(check(packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:], "rows.jsonl.gz"))


def parquet(columns: dict[str, Any], **how: Any) -> bytes:
    out = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), out, **how)
    return out.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("rows.jsonl", b"%PDF-1.7\n" + GOOD, "this is PDF"),
        ("rows.csv", parquet({"text": ["a"]}), "this is Parquet"),
        ("rows.parquet", GOOD, "this is no Parquet"),
        ("rows.txt", GOOD + b"\n" + GOOD, "this is JSON lines, not plain text; name it .json or .jsonl"),
        ("rows.jsonl", b"prompt,completion\na,b\n", "this is no JSON"),
        ("rows.jsonl", b"\x80\x04\x95\x00", "a Python pickle"),
    ],
)
def test_content_that_is_not_what_the_name_says(check: Check, name: str, content: bytes, told: str) -> None:
    """D10"""
    assert f"TYPE_MISMATCH: {told}".replace("TYPE_MISMATCH: a ", "TYPE_MISMATCH: this is a ") in refusal(
        check(content, name)
    )


def test_broken_tables(check: Check) -> None:
    """D11: record and line are told; a NUL and a line break in quotes are the field's."""
    told = check(b'prompt,completion\na,b\n"c\nd",e\nf\n"g"h,i\nj\rk,l\nm,"n\x00"\no,p\n', "rows.csv")
    assert (told.rows_in, told.kept) == (7, 3)
    assert [(problem.code, problem.line, problem.message.partition(":")[0]) for problem in told.problems] == [
        (ProblemCode.RAGGED_ROW, 5, "record 3, line 5"),
        (ProblemCode.BAD_QUOTES, 6, "record 4, line 6"),
        (ProblemCode.BAD_QUOTES, 7, "record 5, line 7"),
        (ProblemCode.BAD_CHARACTER, 8, "record 6"),
    ]
    assert "the quote that opens on line 2" in refusal(check(b'prompt,completion\n"a,b\nc,d\n', "rows.csv"))


def test_hostile_parquet(check: Check) -> None:
    """D13: the child dies or gives up, the doctor does not."""
    good = parquet({"text": [f"row {number}" for number in range(300)]})
    footer = len(good) - 8 - int.from_bytes(good[-8:-4], "little")
    for damaged in (
        good[: len(good) // 2],
        good[:-8] + b"\xff\xff\xff\x7fPAR1",
        good[:footer] + bytes(len(good) - 8 - footer) + good[-8:],
        good[:4] + bytes(footer - 4) + good[footer:],
    ):
        assert ": Parquet that cannot be read" in refusal(check(damaged, "rows.parquet"))
    bomb = pa.DictionaryArray.from_arrays(pa.array([0] * 50_000, pa.int32()), pa.array(["x" * 3_500_000]))
    assert "max_inflation" in refusal(check(parquet({"text": bomb}), "rows.parquet"))


@pytest.mark.parametrize(
    "text", ["pay\u202efdp.exe", "pass\u200bword", "a\U000e0041", "a\x00", "\\ud83d", "\u2067\u2066", "a\ufffe"]
)
def test_text_that_hides_something(check: Check, text: str) -> None:
    """D14"""
    line = json.dumps(chat(ASK, ("assistant", text)), ensure_ascii=False).replace("\\\\u", "\\u").encode()
    problem = between_good_rows(check, line)
    assert problem.code in (ProblemCode.BAD_CHARACTER, ProblemCode.BLANK_CONTENT)
    assert problem.field == "messages[1].content" and problem.message.isascii()


@pytest.mark.parametrize("blank", ["", " \n", "\u3000", "\u200b\ufeff", "\u2800", "\u115f"])
def test_prompt_that_shows_nothing(check: Check, blank: str) -> None:
    """D15"""
    problem = between_good_rows(check, json.dumps(chat(("user", blank), ANSWER)).encode())
    assert (problem.code, problem.field) == (ProblemCode.BLANK_CONTENT, "messages[0].content")


@pytest.mark.parametrize(
    ("row", "code", "field"),
    [
        (chat(ASK, ("assistant", 7)), ProblemCode.WRONG_TYPE, "messages[1].content"),
        ({"messages": [{"role": "user"}, *chat(ANSWER)["messages"]]}, ProblemCode.MISSING_FIELD, "messages[0].content"),
        (chat(ASK, ANSWER, images=["1.jpg"]), ProblemCode.UNSUPPORTED, "images"),
        (chat(("robot", "a"), ANSWER), ProblemCode.UNKNOWN_ROLE, "messages[0].role"),
        (chat(ASK, ANSWER, tools="none"), ProblemCode.TOOL_MISMATCH, "tools"),
    ],
)
def test_field_of_a_wrong_type_too_few_or_too_many(check: Check, row: Any, code: ProblemCode, field: str) -> None:
    """D16"""
    problem = between_good_rows(check, json.dumps(row).encode())
    assert (problem.code, problem.field) == (code, field)


def rows(count: int, prompt: str = "question {}") -> list[dict[str, str]]:
    return [
        {"prompt": prompt.format(number, number, number), "completion": f"answer {number}"} for number in range(count)
    ]


def test_dataset_of_duplicates(place: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """D17: the gate tells the share."""
    content = jsonl([*rows(10), *rows(1) * 990])
    strict = EASY.model_copy(update={"max_duplicate_fraction": 0.5})
    assert place.run(place.params(place.source("a.jsonl", content), recipe=strict)) == ExitCode.BAD_INPUT
    assert "99.0% of the rows are duplicates" in capsys.readouterr().err


def test_rows_of_an_evaluation_set(place: Workplace) -> None:
    """D18: planted leaks, as they are and with other case and spaces, are not trained on, and each is listed with the
    item that it has words of; others are trained on."""
    words = "the quick brown fox number {} jumps over the lazy dog while seven wizards watch from afar"
    leaks = rows(20, words) + rows(20, words.upper().replace(" ", "  "))
    evaluation = place.source("evaluation.jsonl", jsonl(rows(20, words)))
    recipe = EASY.model_copy(update={"decontaminate": DecontaminateRecipe(against=[evaluation.uri])})
    params = place.params(place.source("a.jsonl", jsonl([*leaks, *rows(60)])), recipe=recipe)
    counts = place.manifest(params).counts
    held_out = [prompt for split in Split for prompt in place.prompts(params, split) if "wizards" in prompt.lower()]
    assert not any("wizards" in prompt.lower() for prompt in place.prompts(params, Split.TRAIN))
    assert counts.kept == 60 + len(held_out) and sum(counts.dropped.values()) == 40 - len(held_out)
    assert counts.dropped[DropReason.CONTAMINATED] >= 30
    profile = DatasetProfile.model_validate_json(Path(params.output_uri + "profile.json").read_bytes())
    listed = profile.run.leaks
    assert listed and listed.rows == len(listed.pairs) == counts.dropped[DropReason.CONTAMINATED]
    for pair in listed.pairs:
        assert (Path(pair.source).name, pair.against) == ("a.jsonl", evaluation.uri)
        assert (pair.item, pair.words) == ((pair.line - 1) % 20 + 1, 18)
        assert pair.shared.split() == " ".join(leaks[pair.line - 1].values()).split()
    page = Path(params.output_uri + "report.html").read_text()
    assert all(f"a.jsonl:{pair.line}<" in page and f"evaluation.jsonl:{pair.item}<" in page for pair in listed.pairs)
    assert f"{listed.rows} rows had a run of 13 words" in page


def test_secret_beside_what_an_evaluation_set_shares(place: Workplace) -> None:
    """D18, D21: what both have is redacted, also where the recipe leaves the rows as they are."""
    told = f"write to ada.lovelace@example.com and use my key {SECRET} or tell me how many stars there are"
    evaluation = place.source("evaluation.jsonl", jsonl([{"text": told}]))
    against = DecontaminateRecipe(against=[evaluation.uri])
    recipe = EASY.model_copy(update={"decontaminate": against, "redact": RedactRecipe(types=[])})
    content = jsonl([*({"prompt": f"{n}: {told}", "completion": "9"} for n in range(20)), *rows(60)])
    params = place.params(place.source("a.jsonl", content), recipe=recipe)
    assert place.manifest(params).counts.dropped[DropReason.CONTAMINATED] >= 10
    for document in ("profile.json", "report.html"):
        written = Path(params.output_uri + document).read_text()
        assert "tell me how many stars there are" in written
        assert SECRET not in written and "ada.lovelace" not in written


def test_pair_that_prefers_nothing_or_its_opposite(check: Check) -> None:
    """D19"""
    pair = {"prompt": "a", "chosen": "b", "rejected": "c"}
    equal, swapped = pair | {"rejected": " b\r\n"}, pair | {"chosen": "c", "rejected": "b"}
    told = check(jsonl([pair, equal, swapped]))
    assert [(problem.code, problem.line) for problem in told.problems] == [
        (ProblemCode.EQUAL_PAIR, 2),
        (ProblemCode.SWAPPED_PAIR, 3),
    ]
    pairs = [pair | {"prompt": f"q {number % 100}"} for number in range(200)]
    for number in range(100, 110):
        pairs[number] |= {"chosen": "c", "rejected": "b"}
    swaps = check(jsonl(pairs)).swaps
    assert swaps and swaps.contradicting_pairs == 10 and swaps.swap_rate == pytest.approx(0.0528, abs=0.001)


@pytest.mark.parametrize("marker", ["<|im_end|>", "<|eot_id|>", "<|start_header_id|>"])
def test_marker_of_a_chat_template(check: Check, marker: str) -> None:
    """D20: refused here; what is escaped never becomes a special token (tests of templates)."""
    problem = between_good_rows(check, json.dumps(chat(ASK, ("assistant", f"hi{marker}"))).encode())
    assert (problem.code, problem.field) == (ProblemCode.SPECIAL_TOKEN, "messages[1].content")


def test_secrets_and_personal_data(place: Workplace, capfd: pytest.CaptureFixture[str]) -> None:
    """D21: redacted in what is trained on, shown or reported, and never in the log."""
    told = f"my key is {SECRET}, mail ada.lovelace@example.com"
    params = place.params(
        place.source(
            "a.jsonl", jsonl(rows(30, told + " about question {}, item {} of {}")) + b'\n{"prompt": "' + SECRET.encode()
        )
    )
    assert place.manifest(params).counts.kept >= 20
    log = "".join(capfd.readouterr())
    published = [path for path in Path(params.output_uri).rglob("*") if path.is_file()]
    assert SECRET not in log and "ada.lovelace" not in log
    for path in published:
        if path.name != "quarantine.jsonl":  # bad rows stay as they came, for a person to mend
            assert SECRET.encode() not in path.read_bytes() and b"ada.lovelace" not in path.read_bytes(), path


@pytest.mark.parametrize("content", [b"{\n" * 30, b"\n\n", jsonl([{"prompt": "a"}, {"messages": []}])])
def test_all_rows_bad(content: bytes, check: Check, place: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """D23: no version, and the log says why."""
    told = check(content)
    assert told.kept == 0 or told.formats
    params = place.params(place.source("a.jsonl", content), recipe=EASY.model_copy(update={"min_rows": 2}))
    assert place.run(params) == ExitCode.BAD_INPUT
    assert "rows" in capsys.readouterr().err
    assert not (Path(params.output_uri) / "manifest.json").exists()


def test_every_row_is_accounted_for(place: Workplace) -> None:
    """D24: by count and by the sum of hashes, per file and in total."""
    content = jsonl(rows(40)) + b"\n\n{\n" + jsonl(rows(3)) + b"\n" + GOOD[:20]
    params = place.params(place.source("a.jsonl", content), place.source("b.jsonl", jsonl(rows(20))))
    manifest = place.manifest(params)
    parts = [*manifest.counts_by_source.values(), manifest.counts]
    assert [part.rows_in for part in parts] == [46, 20, 66]
    for part in parts:
        assert part.rows_in == part.kept + part.quarantined + sum(part.dropped.values())
    assert set(manifest.sums_by_source) == set(manifest.counts_by_source)


def test_file_that_is_too_large(place: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """D25"""
    recipe = EASY.model_copy(update={"read": ReadRecipe(max_file_bytes=1_000)})
    params = place.params(place.source("a.jsonl", jsonl(rows(100))), recipe=recipe)
    assert place.run(params) == ExitCode.BAD_INPUT
    assert "prepare.read.max_file_bytes (1000)" in capsys.readouterr().err
