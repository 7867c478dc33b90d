"""The whole job on files: nothing lost, nothing leaked, nothing half published, the same bytes every time."""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.harness.main import run_job
from batch_jobs.prepare.job import prepare
from tests.batch_jobs.harness.crashing import Crash, CrashingStorage
from tests.support.preparing import EASY, Workplace
from tunesmith.contracts.datasets import (
    DatasetKind,
    DatasetManifest,
    DropReason,
    ProblemCode,
    RowSums,
    Source,
    SourceKind,
    Split,
)
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import ExitCode, JobName, PrepareParams, PrepareResult
from tunesmith.contracts.preparation import DecontaminateRecipe, PiiType, RedactRecipe
from tunesmith.contracts.profiles import DatasetProfile, Step
from tunesmith.contracts.recipes import PrepareRecipe

SHARED = Path(__file__).parents[4] / "shared/data"


def row(prompt: str, answer: str = "yes") -> bytes:
    return json.dumps({"prompt": prompt, "completion": answer}).encode()


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def test_every_row_is_kept_quarantined_or_dropped_with_its_reason(place: Workplace) -> None:
    good = [row(f"question {number}") for number in range(40)]
    odd = [b"", b'{"cut', row("question 1"), b"x" * 5_000, row("\r\nquestion 2 ")]
    params = place.params(place.source("a.jsonl", b"\n".join(good + odd)), place.source("b.jsonl", good[0]))
    manifest = place.manifest(params)
    counts = manifest.counts
    assert (counts.rows_in, counts.kept, counts.quarantined) == (46, 40, 2)
    assert counts.dropped == {DropReason.BLANK_LINE: 1, DropReason.EXACT_DUPLICATE: 3}
    assert manifest.problems == {ProblemCode.NOT_JSON: 1, ProblemCode.LINE_TOO_LONG: 1}
    assert sum(entry.rows for entry in manifest.splits.values()) == 40
    assert sum(part.rows_in for part in manifest.counts_by_source.values()) == 46


def test_sums_of_the_rows_that_left_are_those_of_the_rows_that_came_in(place: Workplace) -> None:
    """D24"""
    lines = [row(f"question {number}") for number in range(40)] + [b"", b'{"cut', row("question 1")]
    params = place.params(place.source("a.jsonl", b"\n".join(lines)))
    sums = place.manifest(params).sums_by_source[params.sources[0].uri]
    assert set(sums.dropped) == {DropReason.BLANK_LINE, DropReason.EXACT_DUPLICATE}
    assert len({sums.rows_in, sums.kept, sums.quarantined}) == 3
    with pytest.raises(ValueError, match="rows are not those that came in"):
        RowSums.model_validate(sums.model_dump() | {"kept": sums.quarantined})
    other = place.params(place.source("b.jsonl", b"\n".join(lines[::-1])), name="backwards")
    assert place.manifest(other).sums_by_source[other.sources[0].uri].rows_in == sums.rows_in


def test_too_many_duplicates_or_too_much_personal_data_stops_the_run(
    place: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    """D17"""
    copies = place.source("a.jsonl", b"\n".join([row("again")] * 9 + [row(f"one {n}") for n in range(30)]))
    strict = EASY.model_copy(update={"max_duplicate_fraction": 0.1})
    assert place.run(place.params(copies, recipe=strict)) == ExitCode.BAD_INPUT
    assert "20.5% of the rows are duplicates" in capsys.readouterr().err
    personal = place.source("b.jsonl", b"\n".join(row(f"mail user{n}@example.com") for n in range(30)))
    careful = EASY.model_copy(update={"max_pii_fraction": 0.5})
    assert place.run(place.params(personal, recipe=careful, name="careful")) == ExitCode.BAD_INPUT
    assert "100.0% of the rows hold personal data" in capsys.readouterr().err


def test_quarantine_says_where_why_and_what(place: Workplace) -> None:
    content = "\ufeff".encode() + row("héllo") + b"\r\n" + b'{"prompt": "\xff"}\n' + row("b") + b"\n" + row("c")
    params = place.params(place.source("a.jsonl", content))
    assert place.manifest(params).counts.quarantined == 1
    bad = json.loads(Path(params.output_uri + "quarantine.jsonl").read_text())
    assert (bad["line"], bad["code"]) == (2, "NOT_UTF8")
    assert content[bad["offset"] :].startswith(b'{"prompt": "\xff"')
    assert bad["hint"] and bad["raw_base64"]


def test_equal_prompts_never_lie_in_two_splits(place: Workplace) -> None:
    content = b"\n".join(row(f"question {number % 100}", f"answer {number}") for number in range(400))
    params = place.params(place.source("a.jsonl", content))
    place.manifest(params)
    prompts = [place.prompts(params, split) for split in Split]
    assert sum(map(len, prompts)) == 100 == len(set.union(*prompts))
    assert all(prompts)


def test_held_out_rows_stay_held_out_when_rows_are_added(place: Workplace) -> None:
    old = [row(f"question {number}") for number in range(100)]
    new = [row(f"another {number}") for number in range(100)]
    first = place.params(place.source("a.jsonl", b"\n".join(old)), name="first")
    second = place.params(place.source("b.jsonl", b"\n".join(new + old[::-1])), name="second")
    place.manifest(first), place.manifest(second)
    for split in Split:
        assert place.prompts(first, split)
        assert place.prompts(first, split) <= place.prompts(second, split)


def test_turn_that_answers_a_held_out_prompt_is_context_and_never_learnt(place: Workplace) -> None:
    short = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    rows = [{"messages": [{"role": "user", "content": f"{number}"}, *short[1:], *short]} for number in range(200)]
    openings = [{"messages": [{"role": "user", "content": f"{number}"}, *short[1:]]} for number in range(200)]
    params = place.params(place.source("a.jsonl", b"\n".join(json.dumps(r).encode() for r in rows + openings)))
    place.manifest(params)
    held_out = {
        found["messages"][0]["content"] for found in place.rows(params, Split.TEST) if len(found["messages"]) == 2
    }
    learnt = {
        found["messages"][0]["content"]
        for found in place.rows(params, Split.TRAIN)
        if len(found["messages"]) == 4 and found["trained"][1]
    }
    assert held_out and learnt and not held_out & learnt


def test_greeting_before_the_first_prompt_is_context_and_never_learnt(place: Workplace) -> None:
    greeting = {"role": "assistant", "content": "Good day."}
    turns = [[greeting, {"role": "user", "content": f"{n}"}, {"role": "assistant", "content": "a"}] for n in range(50)]
    params = place.params(
        place.source("a.jsonl", b"\n".join(json.dumps({"messages": each}).encode() for each in turns))
    )
    place.manifest(params)
    assert {tuple(found["trained"]) for found in place.rows(params, Split.TRAIN)} == {(False, False, True)}


def test_frozen_suite_is_neither_trained_on_nor_fed_by_feedback(place: Workplace) -> None:
    upload = place.source("a.jsonl", b"\n".join(row(f"question {number}") for number in range(200)))
    first = place.params(upload, name="first")
    suite = place.manifest(first).splits[Split.TEST].files[0]
    asked = place.prompts(first, Split.TEST)
    corrections = [row(prompt, "corrected") for prompt in sorted(asked)] + [row(f"new {n}") for n in range(100)]
    feedback = place.source("feedback.jsonl", b"\n".join(corrections), SourceKind.FEEDBACK)
    frozen = {"suite_uri": f"{first.output_uri}test-00000-of-00001.parquet", "suite_digest": suite.sha256}
    narrow = EASY.model_copy(update={"test_fraction": 0.01})
    second = place.params(upload, feedback, recipe=narrow, name="second", **frozen)
    counts = place.manifest(second).counts_by_source
    assert not (place.prompts(second, Split.TRAIN) | place.prompts(second, Split.VALIDATION)) & asked
    assert counts[feedback.uri].dropped[DropReason.IN_FROZEN_TEST] >= len(asked)
    sources_of_test = {found["source"] for found in place.rows(second, Split.TEST)}
    assert feedback.uri not in sources_of_test


def test_same_inputs_give_the_same_bytes_in_whatever_order_they_are_named(place: Workplace) -> None:
    sources = [place.source(f"{n}.jsonl", b"\n".join(row(f"{n} {k}") for k in range(50))) for n in "abc"]
    first = place.manifest(place.params(*sources, name="first"))
    second = place.manifest(place.params(*sources[::-1], name="second"))
    assert (first.splits, first.quarantine, first.content_digest) == (
        second.splits,
        second.quarantine,
        second.content_digest,
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            b'[1\n{"question": "a", "answer": "b"}\n{"question": "c", "answer": "d"}\n',
            "nothing_to_train: no valid row is left; a.jsonl, line 2: UNKNOWN_FORMAT: no known format has only these "
            "keys: answer, question; prepare.read.columns: {question: prompt, answer: completion} would make it "
            "prompt_completion (rows in: 3",
        ),
        (b"\n\n", "nothing_to_train: no valid row is left (rows in: 2"),
        (row("a") + b'\n{"cut\n{"cut\n', "quality_gate_failed"),
    ],
)
def test_hopeless_dataset_publishes_what_is_to_be_mended_and_nothing_else(
    place: Workplace, capsys: pytest.CaptureFixture[str], content: bytes, told: str
) -> None:
    """D23"""
    params = place.params(place.source("a.jsonl", content), recipe=PrepareRecipe())
    assert place.run(params) == ExitCode.BAD_INPUT
    error = capsys.readouterr().err
    assert told in error and "quarantine.jsonl" in error
    published = {path.name for path in Path(params.output_uri).iterdir()} - {"job"}
    assert published == {"quarantine.jsonl", "report.html"}


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08\x00", b"%PDF-1.4", b"PAR1...."])
def test_file_that_is_no_json_lines_is_refused(place: Workplace, content: bytes) -> None:
    assert place.run(place.params(place.source("a.jsonl", content))) == ExitCode.BAD_INPUT


def test_file_that_was_scanned_for_one_version_is_not_read_again_for_the_next(place: Workplace) -> None:
    def content(name: str) -> bytes:
        rows = [row(f"{name} asks what comes after the number {n} in words", f"answer {n}") for n in range(60)]
        return b"\n".join([*rows, b'{"cut', b""])

    old, new = place.source("a.jsonl", content("anna")), place.source("b.jsonl", content("bert"))
    kept = {"scans_uri": f"{place.folder}/scans/"}
    first = place.manifest(place.params(old, name="first", **kept))
    frozen = {
        "suite_uri": f"{place.folder}/first/{first.splits[Split.TEST].files[0].path}",
        "suite_digest": first.splits[Split.TEST].files[0].sha256,
    }
    expected = place.manifest(place.params(old, new, name="afresh", **frozen))
    Path(old.uri).unlink()
    found = place.manifest(place.params(old, new, name="second", **frozen, **kept))
    assert (found.splits, found.quarantine, found.counts) == (expected.splits, expected.quarantine, expected.counts)
    assert found.sums_by_source == expected.sums_by_source
    Path(new.uri).unlink()
    both = place.manifest(place.params(old, new, name="third", **frozen, **kept))
    assert (both.splits, both.counts_by_source) == (expected.splits, expected.counts_by_source)
    for source in (old, new):  # one of them was the second when it was scanned
        alone = place.manifest(place.params(source, name=f"only {source.source_id}", **frozen, **kept))
        assert set(alone.counts_by_source) == {source.uri} and alone.counts.rows_in == 61
    other_recipe = EASY.model_copy(update={"redact": RedactRecipe(types=[])})
    params = place.params(old, new, name="other", recipe=other_recipe, **frozen, **kept)
    assert place.run(params) == ExitCode.BAD_INPUT  # scanned otherwise, so the file is needed


def test_what_was_found_is_counted_over_all_files(place: Workplace) -> None:
    def content(word: str, rows: int) -> bytes:
        return b"\n".join(row(f"{word} {n}:\r\nwrite to {word}{n}@example.com") for n in range(rows))

    params = place.params(place.source("a.jsonl", content("anna", 7)), place.source("b.jsonl", content("bert", 5)))
    assert place.manifest(params).pii == {PiiType.EMAIL: 12}
    profile = DatasetProfile.model_validate_json(Path(params.output_uri + "profile.json").read_bytes())
    assert profile.run.changed_rows == {Step.NORMALISE: 12, Step.REDACT: 12}


def test_dataset_version_is_never_made_again(place: Workplace) -> None:
    source = place.source("a.jsonl", b"\n".join(row(f"{n}") for n in range(50)))
    first = place.manifest(place.params(source))
    Path(source.uri).unlink()
    (place.folder / "version/job/result.json").unlink()
    assert place.manifest(place.params(source)) == first


def test_file_cut_at_any_byte_loses_at_most_the_row_that_was_cut(place: Workplace) -> None:
    content = row("a") + b"\n" + row("é") + b"\r\n\n" + row("c")
    for size in range(1, len(content) + 1):
        params = place.params(place.source(f"{size}.jsonl", content[:size]), name=f"cut-{size}")
        whole = sum(line.strip().endswith(b"}") for line in content[:size].split(b"\n"))
        code = place.run(params)
        assert code == (ExitCode.DONE if (place.folder / f"cut-{size}/manifest.json").exists() else ExitCode.BAD_INPUT)
        if code == ExitCode.DONE:
            counts = DatasetManifest.model_validate_json(Path(params.output_uri + "manifest.json").read_bytes()).counts
            assert (counts.kept, counts.quarantined <= 1) == (whole, True)


lines = st.sampled_from(
    [b"", b"  ", row("a"), row("a "), row("b"), row("c", "\u200b"), b"{", b"[]", b"\xff", b"x" * 2_000]
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(lines, max_size=12), min_size=1, max_size=3))
def test_rows_are_conserved_for_any_mixture_of_good_and_bad_lines(files: list[list[bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Workplace(Path(folder))
        contents = [b"\n".join([row("always there"), *rows]) for rows in files]
        sources = [place.source(f"{index}.jsonl", content) for index, content in enumerate(contents)]
        params = place.params(*sources)
        if place.run(params) == ExitCode.DONE:
            manifest = place.manifest(params)
            expected = {s.uri: len(c.splitlines()) for s, c in zip(sources, contents, strict=True)}
            assert {uri: counts.rows_in for uri, counts in manifest.counts_by_source.items()} == expected
            quarantine = Path(params.output_uri + "quarantine.jsonl").read_text().splitlines()
            assert len(quarantine) == manifest.counts.quarantined


def test_crash_around_every_write_still_ends_in_one_dataset_version(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = place.source("a.jsonl", b"\n".join(row(f"{n}") for n in range(50)) + b"\n{")
    expected = place.manifest(place.params(source, name="unbroken"))
    storage = CrashingStorage(monkeypatch)
    place.run(place.params(source, name="counted"))
    for at in range(1, storage.writes + 1):
        for after in (False, True):
            params = place.params(source, name=f"crash-{at}-{after}")
            storage.arm(at, after)
            with pytest.raises(Crash):
                place.run(params)
            storage.arm(0, after)
            found = place.manifest(params)
            assert (found.splits, found.quarantine) == (expected.splits, expected.quarantine)


def test_job_works_in_s3_and_pins_the_version_that_was_accepted(
    tables: dict[str, str], buckets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBS_TABLE", tables["jobs"])
    s3 = boto3.client("s3")
    accepted = s3.put_object(Bucket="uploads", Key="a.jsonl", Body=b"\n".join(row(f"{n}") for n in range(50)))
    s3.put_object(Bucket="uploads", Key="a.jsonl", Body=b"overwritten")
    source = Source(
        kind=SourceKind.UPLOAD, source_id=digest("a"), uri="s3://uploads/a.jsonl", version_id=accepted["VersionId"]
    )
    params = Workplace(Path()).params(source).model_copy(update={"output_uri": "s3://artifacts/datasets/v/"})
    s3.put_object(Bucket="artifacts", Key="runs/r/prepare/params.json", Body=params.model_dump_json().encode())
    arguments = ["s3://artifacts/runs/r/prepare/params.json"]
    assert run_job(JobName.PREPARE, PrepareParams, PrepareResult, prepare, arguments) == ExitCode.DONE
    result = s3.get_object(Bucket="artifacts", Key="runs/r/prepare/result.json")["Body"].read()
    assert PrepareResult.model_validate_json(result).counts.kept == 50


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real samples in ../shared/data")
def test_real_openai_sample_is_kept_whole(place: Workplace) -> None:
    content = (SHARED / "openai_ft/toy_chat_fine_tuning.jsonl").read_bytes()
    roomy = EASY.model_copy(update={"max_line_bytes": 100_000})
    manifest = place.manifest(place.params(place.source("a.jsonl", content), recipe=roomy))
    assert manifest.counts.quarantined == 0 and manifest.counts.kept == 5


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real samples in ../shared/data")
def test_real_rows_in_a_foreign_format_are_told_so(place: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    content = (SHARED / "gsm8k/train.first200.jsonl").read_bytes()
    assert place.run(place.params(place.source("a.jsonl", content), recipe=PrepareRecipe())) == ExitCode.BAD_INPUT
    assert "200 UNKNOWN_FORMAT" in capsys.readouterr().err


def test_rows_that_share_a_run_of_words_with_an_evaluation_set_are_not_trained_on(place: Workplace) -> None:
    """D18"""
    secret = "the quick brown fox jumps over the lazy dog while seven wizards watch from afar"
    evaluation = place.source("evaluation.jsonl", row(f"Please explain: {secret}.", "It is a pangram."))
    told = [row(f"number {n}: {secret}, is it not?", f"yes {n}") for n in range(30)]
    content = b"\n".join([*told, *(row(f"question {n}") for n in range(30))])
    recipe = EASY.model_copy(update={"decontaminate": DecontaminateRecipe(against=[evaluation.uri])})
    params = place.params(place.source("a.jsonl", content), recipe=recipe)
    counts = place.manifest(params).counts
    held_out = [p for split in (Split.TEST,) for p in place.prompts(params, split) if secret in p]
    assert counts.dropped[DropReason.CONTAMINATED] == 30 - len(held_out)
    assert not any(secret in prompt for prompt in place.prompts(params, Split.TRAIN))


def test_evaluation_set_that_grew_is_held_against_files_that_were_scanned_before(place: Workplace) -> None:
    """D18: a scan that is kept tells of the sets as they were."""
    letters = "a b c d e f g h i j k l m n"
    rows = [row(f"question {n}") for n in range(60)] + [row(f"{n} {letters}") for n in range(60)]
    upload = place.source("a.jsonl", b"\n".join(rows))
    kept = {"scans_uri": f"{place.folder}/scans/"}
    evaluation = place.source("evaluation.jsonl", row("nothing that anybody asks"))
    recipe = EASY.model_copy(update={"decontaminate": DecontaminateRecipe(against=[evaluation.uri])})
    first = place.manifest(place.params(upload, recipe=recipe, name="first", **kept))
    assert DropReason.CONTAMINATED not in first.counts.dropped
    place.source("evaluation.jsonl", row(f"{letters.upper()}!"))
    second = place.manifest(place.params(upload, recipe=recipe, name="second", **kept))
    assert second.counts.dropped[DropReason.CONTAMINATED] >= 30
    now = hashlib.sha256(Path(evaluation.uri).read_bytes()).hexdigest()
    assert [(named.uri, named.sha256) for named in second.evaluations] == [(evaluation.uri, now)]
    assert first.evaluations[0].sha256 != now
    for name in ("README.md", "report.html"):
        assert now in (Path(place.params(upload, recipe=recipe, name="second", **kept).output_uri) / name).read_text()


def test_pairs_that_say_the_opposite_of_earlier_ones_stay_with_a_warning(place: Workplace) -> None:
    def pair(number: int, chosen: str, rejected: str) -> bytes:
        return json.dumps({"prompt": f"question {number}", "chosen": chosen, "rejected": rejected}).encode()

    good = [pair(number, f"yes {number}", f"no {number}") for number in range(60)]
    swapped = [pair(number, f"no {number}", f"yes {number}") for number in (3, 5)]
    params = place.params(place.source("a.jsonl", b"\n".join(good + swapped)))
    manifest = place.manifest(params)
    assert manifest.kind == DatasetKind.PREFERENCE and manifest.warnings == {ProblemCode.SWAPPED_PAIR: 2}
    assert manifest.swaps and manifest.swaps.contradicting_pairs == 2
    told = [json.loads(line) for line in Path(params.output_uri + "warnings.jsonl").read_text().splitlines()]
    assert [(warning["line"], warning["severity"]) for warning in told] == [(61, "warning"), (62, "warning")]
    assert told[0]["offset"] == len(b"\n".join(good)) + 1 and "line 4" in told[0]["message"]


def test_params_for_a_laptop_run_make_a_dataset(place: Workplace, event: Any) -> None:
    params = PrepareParams.model_validate(event("prepare/tiny.json"))
    assert params.output_uri == ".tunesmith/tiny/dataset/"
    upload = Path(__file__).parents[3] / params.sources[0].uri
    made = place.source("tiny.jsonl", upload.read_bytes())
    manifest = place.manifest(params.model_copy(update={"sources": [made], "output_uri": f"{place.folder}/tiny/"}))
    assert manifest.dataset_version == params.dataset_version and manifest.counts.kept >= params.recipe.min_rows
