"""A prompt, and what follows it, each as a text or as messages: prompt-completion, Alpaca, prompt-only."""

from typing import Any

from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.checking.formats.chat import conversation, uses_tools
from batch_jobs.prepare.checking.formats.sharegpt import parse_either
from batch_jobs.prepare.checking.messages import system_turn, with_system
from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.checking.shapes import check_prompt
from batch_jobs.prepare.checking.texts import TextChecks, is_blank
from batch_jobs.prepare.checking.tools import link_calls, parse_tools
from batch_jobs.prepare.checking.values import array_of, text_of, wrong_type
from tunesmith.contracts.datasets import ProblemCode, RowFormat


def parse_prompt_completion(row: dict[str, Any], checks: TextChecks) -> Row:
    turns = prompt_turns(row, checks) + answer_turns(row, "completion", checks)
    return conversation(RowFormat.PROMPT_COMPLETION, turns, row, "completion")


def parse_alpaca(row: dict[str, Any], checks: TextChecks) -> Row:
    turns = system_turn(row, checks) + _history(row, checks)
    turns += [_instruction(row, checks), *answer_turns(row, "output", checks)]
    return conversation(RowFormat.ALPACA, turns, row, "output")


def parse_prompt_only(row: dict[str, Any], checks: TextChecks) -> Row:
    """A prompt for reinforcement learning; what rewards need stands in kept columns."""
    turns, tools = prompt_turns(row, checks), parse_tools(row)
    check_prompt(turns, "prompt")
    if uses_tools(turns):
        return Row(RowFormat.PROMPT_ONLY, link_calls(tools, ("prompt", turns))[0], tools=tools)
    return Row(RowFormat.PROMPT_ONLY, tuple(turns), tools=tools)


def prompt_turns(row: dict[str, Any], checks: TextChecks) -> list[Turn]:
    """The prompt with the row's system text before it. Of what people wrote for it, nothing is learnt but earlier
    answers, if the row is a conversation."""
    if "prompt" not in row and "instruction" in row:
        return system_turn(row, checks) + _history(row, checks) + [_instruction(row, checks)]
    prompt, before = row.get("prompt"), _history(row, checks)
    if isinstance(prompt, list):
        return with_system(row, before + parse_either(prompt, "prompt", checks), checks)
    asked = Turn("user", checks.visible(text_of(row, "prompt", "prompt"), "prompt"), False)
    return [*system_turn(row, checks), *before, asked]


def answer_turns(row: dict[str, Any], key: str, checks: TextChecks) -> list[Turn]:
    """The answer: a text, a message, or messages that end with the assistant's."""
    answer = row.get(key)
    if isinstance(answer, dict | list):
        return parse_either([answer] if isinstance(answer, dict) else answer, key, checks)
    return [Turn("assistant", checks.visible(text_of(row, key, key), key), True)]


def _instruction(row: dict[str, Any], checks: TextChecks) -> Turn:
    """The instruction and, after it, the input; one of them may be blank."""
    text = text_of(row, "instruction", "instruction")
    more = text_of(row, "input", "input") if row.get("input") is not None else ""
    if is_blank(more):
        return Turn("user", checks.visible(text, "instruction"), False)
    before = "" if is_blank(text) else f"{checks.any(text, 'instruction')}\n\n"
    return Turn("user", before + checks.any(more, "input"), False)


def _history(row: dict[str, Any], checks: TextChecks) -> list[Turn]:
    """Earlier rounds: `[[instruction, answer], ...]`."""
    if not row.get("history"):
        return []
    turns = []
    for index, pair in enumerate(array_of(row, "history", "history")):
        place = f"history[{index}]"
        if not isinstance(pair, list) or len(pair) != 2:
            raise BadRow(ProblemCode.WRONG_TYPE, "expected [instruction, answer]", field=place)
        for side, (text, role) in enumerate(zip(pair, ("user", "assistant"), strict=True)):
            if not isinstance(text, str):
                raise wrong_type("a string", text, f"{place}[{side}]")
            turns.append(Turn(role, checks.visible(text, f"{place}[{side}]"), role == "assistant"))
    return turns
