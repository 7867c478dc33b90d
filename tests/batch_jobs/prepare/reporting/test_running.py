"""What a run tells of itself: places of problems, changes without what was redacted, groups of near duplicates."""

import json
import shutil
from pathlib import Path

import pytest

from batch_jobs.prepare.quarantine import QUARANTINE
from batch_jobs.prepare.reporting.running import FIRST, summarise_problems
from batch_jobs.prepare.samples import SHOWN
from tests.support.datasets import LENIENT, Version, make_version
from tunesmith.contracts.datasets import DropReason, ProblemCode
from tunesmith.contracts.preparation import LabelRecipe, NormaliseRecipe, RedactRecipe, RuleLabel
from tunesmith.contracts.profiles import Step
from tunesmith.contracts.recipes import PrepareRecipe


def test_problems_have_places_and_are_those_of_the_manifest(version: Version) -> None:
    problems = version.profile.run.problems
    assert {problem.code: problem.rows for problem in problems} == version.manifest.problems
    for problem in problems:
        assert len(problem.first) == min(FIRST, problem.rows)
        assert all(place.code is problem.code and place.hint for place in problem.first)


def test_nothing_that_was_redacted_is_shown(version: Version) -> None:
    """D21"""
    run = version.profile.run
    redacted = [sample for sample in run.samples if sample.step is Step.REDACT]
    assert len(redacted) == SHOWN and all(sample.before is None for sample in redacted)
    assert all("<EMAIL_1>" in sample.after for sample in redacted)
    for document in ("profile.json", "report.html", "README.md"):
        assert "@example.com" not in (version.folder / document).read_text()


def test_before_and_after_of_normalised_text(version: Version) -> None:
    samples = [sample for sample in version.profile.run.samples if sample.step is Step.NORMALISE]
    assert samples and all("\r\n" in str(sample.before) and "\r" not in sample.after for sample in samples)
    assert version.profile.run.changed_rows[Step.NORMALISE] >= len(samples)
    assert "[U+0301]" in version.page


def test_secret_that_only_normalising_reveals_is_not_shown(tmp_path: Path) -> None:
    """With redaction off, a text whose clean form has an address is no sample: its form before hides it from the
    detector, and not from people."""
    hidden = json.dumps({"prompt": "I am jo\u200bhn@exam\u200bple.com, and you? ", "completion": "yes\r\nno"})
    rows = "\n".join([hidden, *(json.dumps({"prompt": f"question {n}", "completion": "yes"}) for n in range(20))])
    recipe = LENIENT.model_copy(
        update={"redact": RedactRecipe(types=[]), "normalise": NormaliseRecipe(invisible="remove")}
    )
    made = make_version(tmp_path, {"a.jsonl": rows.encode()}, recipe)
    assert made.profile.run.changed_rows == {Step.NORMALISE: 1}
    assert "exam" not in made.page.replace("examples", "").replace("Examples", "").replace("example.", "")


def test_near_duplicates_are_grouped(version: Version) -> None:
    found = version.profile.run.near_duplicates
    assert found is not None
    dropped = sum((size - 1) * groups for size, groups in found.groups.items())
    assert dropped == version.manifest.counts.dropped[DropReason.NEAR_DUPLICATE]
    assert all(len(texts) >= 2 for texts in found.examples)


def test_labels_are_held_against_each_other(tmp_path: Path) -> None:
    rules = [RuleLabel(label="money", pattern="refund"), RuleLabel(label="post", pattern="parcel")]
    asked = [f"where is my {word} {n}?" for n in range(9) for word in ("refund", "parcel")]
    rows = [{"prompt": prompt, "completion": "here"} for prompt in asked]
    rows.append({"prompt": "a refund for my parcel", "completion": "yes"})
    content = "\n".join(map(json.dumps, rows)).encode()
    made = make_version(tmp_path, {"a.jsonl": content}, LENIENT.model_copy(update={"label": LabelRecipe(rules=rules)}))
    [conflict] = made.profile.run.conflicts
    assert (conflict.labels, conflict.between, conflict.rows) == (["money", "post"], "rules", 1)


@pytest.mark.parametrize("count", [1, 5])
def test_summary_reads_no_more_than_it_shows(tmp_path: Path, count: int) -> None:
    line = {"source": "a", "line": 1, "offset": 0, "code": "NOT_JSON", "field": None, "message": "m", "hint": "h"}
    file = tmp_path / QUARANTINE
    file.write_text(f"{json.dumps(line)}\n" * count + ("this is never read\n" if count > FIRST else ""))
    [told] = summarise_problems(file, {ProblemCode.NOT_JSON: count}, str.upper)
    assert told.rows == count and len(told.first) == min(count, FIRST) and told.first[0].message == "M"


def test_run_that_the_gate_stops_leaves_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = b"\n".join(b'{"prompt": "a", "completion": "%d"}' % n + b"}" * (n % 2) for n in range(20))
    with pytest.raises(AssertionError):
        make_version(tmp_path, {"a.jsonl": rows}, PrepareRecipe())
    assert "report.html" in capsys.readouterr().err
    page = (tmp_path / "version/report.html").read_text()
    assert "This is no dataset version." in page and "50.0% of the rows are bad" in page and "NOT_JSON" in page
    assert not (tmp_path / "version/manifest.json").exists()


def test_same_rows_give_the_same_documents(tmp_path: Path) -> None:
    rows = [{"prompt": f"which {word} {n}?", "completion": "that"} for n in range(30) for word in ("cat", "dog")]
    written = []
    for _ in range(2):
        made = make_version(tmp_path, {"a.jsonl": "\n".join(map(json.dumps, rows)).encode()})
        written.append([(made.folder / name).read_bytes() for name in ("profile.json", "report.html", "README.md")])
        shutil.rmtree(made.folder)
    assert written[0] == written[1]


def test_both_answers_and_tool_calls_are_shown(tmp_path: Path) -> None:
    pairs = [{"prompt": f"which one is {n}?", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(20)]
    call = {"id": "c", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
    chats = [
        {
            "messages": [
                {"role": "user", "content": f"look up {n}"},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c", "content": "here"},
                {"role": "assistant", "content": f"found {n}"},
            ],
            "tools": [tool],
        }
        for n in range(20)
    ]
    pages = [
        make_version(tmp_path, {f"{name}.jsonl": "\n".join(map(json.dumps, rows)).encode()}, name=name).page
        for name, rows in (("pairs", pairs), ("chats", chats))
    ]
    assert "assistant, better answer" in pages[0] and "assistant, worse answer" in pages[0]
    assert "look_up" in pages[1]
