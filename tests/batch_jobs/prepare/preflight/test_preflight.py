"""The preflight of a training: what the base's template and tokenizer make of rows."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.preflight.bases import Base, read_base
from batch_jobs.prepare.preflight.examination import PlacedRow, preflight
from tests.support import chat_templates
from tests.support.tiny_model import CONTEXT_LENGTH, tiny_tokenizer, write_tiny_base
from tunesmith.contracts.datasets import RowFormat
from tunesmith.contracts.preflight import Preflight, PreflightCode
from tunesmith.contracts.recipes import FinetuneRecipe, Recipe


def base(template: str | None = None) -> Base:
    tokenizer = tiny_tokenizer()
    if template is not None:
        tokenizer.chat_template = template
    return Base("tiny", tokenizer, CONTEXT_LENGTH, frozenset({tokenizer.eos_token_id}), 100_000)


def row(*turns: tuple[str, str], trained: bool = True, tools: str | None = None) -> Row:
    return Row(RowFormat.CHAT, tuple(Turn(role, text, trained) for role, text in turns), tools=tools)


ANSWERED = row(("user", "hello"), ("assistant", "hi"))
WITH_SYSTEM = row(("system", "Be brief."), ("user", "hello"), ("assistant", "hi"))
TOOLS = json.dumps([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])


def look(*rows: Row, on: Base | None = None, sequence_length: int = 512, show: int = 0) -> Preflight:
    recipe = Recipe(finetune=FinetuneRecipe(sequence_length=sequence_length))
    placed = [PlacedRow(each, f"rows.jsonl:{number}") for number, each in enumerate(rows, 1)]
    return preflight(placed, on or base(), recipe, show)


def codes(told: Preflight) -> dict[str, int]:
    return {finding.code: finding.rows for finding in told.findings}


def test_good_rows_have_no_findings_and_a_forecast() -> None:
    told = look(ANSWERED, WITH_SYSTEM, show=1)
    assert codes(told) == {}
    assert (told.rows, told.looked_at, told.rows_too_long) == (2, 2, 0)
    assert told.forecast is not None and told.forecast.tokens_per_epoch == told.tokens.total
    (shown,) = told.shown
    learnt = [token for token, counts in zip(shown.tokens, shown.mask, strict=True) if counts]
    assert "".join(learnt) == "hi<|im_end|>" and told.tokens.trained > len(learnt)


def test_row_without_a_trained_token_is_an_error_with_its_place() -> None:
    told = look(ANSWERED, row(("user", "q"), ("assistant", "a"), trained=False))
    (finding,) = told.errors
    assert (finding.code, finding.places) == (PreflightCode.NO_TRAINED_TOKEN, ["rows.jsonl:2"])


def test_rows_that_do_not_fit_are_counted_and_said_to_be_cut_elsewhere() -> None:
    told = look(ANSWERED, row(("user", "hello"), ("assistant", "word " * 200)), sequence_length=64)
    assert codes(told) == {PreflightCode.ROW_TOO_LONG: 1, PreflightCode.ANSWER_CUT: 1}
    assert told.rows_too_long == 1 and not told.errors


def test_nothing_that_fits_is_an_error() -> None:
    told = look(row(("user", "hello"), ("assistant", "word " * 200)), sequence_length=32)
    assert [finding.code for finding in told.errors] == [PreflightCode.NO_ROWS]
    assert told.forecast is None
    assert [finding.code for finding in look().errors] == [PreflightCode.NO_ROWS]


def test_sequence_longer_than_the_context_is_an_error() -> None:
    (finding,) = look(ANSWERED, sequence_length=CONTEXT_LENGTH + 1).errors
    assert finding.code is PreflightCode.SEQUENCE_BEYOND_CONTEXT and "2,049" in finding.message


@pytest.mark.parametrize("template", [chat_templates.GEMMA, chat_templates.MISTRAL])
def test_system_turns_that_the_template_refuses(template: str) -> None:
    told = look(ANSWERED, WITH_SYSTEM, on=base(template))
    found = codes(told)
    assert found[PreflightCode.SYSTEM_IGNORED] == found[PreflightCode.TEMPLATE_REFUSES] == 1
    assert told.errors[0].places == ["rows.jsonl:2"]


def test_end_token_at_which_serving_does_not_stop() -> None:
    """Gemma's turns end with <end_of_turn>, its eos_token is <eos>: with eos alone, answers never end."""
    told = look(ANSWERED, on=replace(base(), stop_ids=frozenset({0})))
    (finding,) = told.errors
    assert finding.code is PreflightCode.END_TOKEN_DOES_NOT_STOP and "<|im_end|>" in finding.message


def test_what_the_template_leaves_out_or_adds() -> None:
    named = Row(RowFormat.CHAT, (Turn("user", "q", name="Ann"), Turn("assistant", "a")))
    assert codes(look(named)) == {PreflightCode.NAME_IGNORED: 1}
    tools = look(ANSWERED, row(("user", "q"), ("assistant", "a"), tools=TOOLS))
    assert [finding.code for finding in tools.errors] == [PreflightCode.TOOLS_IGNORED]
    default = look(ANSWERED, on=base(chat_templates.DEFAULT_SYSTEM))
    assert "'Be kind.'" in default.findings[0].message
    forgetful = look(row(*[("user", "q"), ("assistant", "a")] * 2), on=base(chat_templates.FORGETFUL))
    assert forgetful.findings[0].places == ["rows.jsonl:1 messages[1]"]


def test_rows_beyond_the_sample_are_counted_and_forecast() -> None:
    recipe = Recipe.model_validate({"prepare": {"report": {"sample_rows": 100}}})
    told = preflight((PlacedRow(ANSWERED, str(number)) for number in range(1_000)), base(), recipe)
    assert (told.rows, told.looked_at) == (1_000, 100)
    assert told.forecast is not None and told.forecast.tokens_per_epoch == told.tokens.total * 10


def test_command_runs_without_torch(tmp_path: Path) -> None:
    write_tiny_base(tmp_path / "base")
    rows = tmp_path / "rows.jsonl"
    message = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    rows.write_text(json.dumps(message) + "\n")
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from batch_jobs.prepare.preflight.__main__ import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, "--base", str(tmp_path / "base"), str(rows)]
    child = subprocess.run(command, capture_output=True, check=False)
    told = Preflight.model_validate_json(child.stdout)
    assert child.returncode == 0, child.stderr.decode()
    assert (told.rows, told.context_length, told.findings) == (1, CONTEXT_LENGTH, [])


def test_folder_that_is_no_base_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="import a base first"):
        read_base(tmp_path)
