"""Preferences: two answers to one prompt of which one is better, or one answer and whether it is wanted.

OpenAI's DPO rows, TRL's explicit and implicit preferences and its unpaired ones (KTO). An implicit preference is two
whole conversations: what they have in common is the prompt.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.checking.formats.chat import uses_tools
from batch_jobs.prepare.checking.formats.prompts import answer_turns, prompt_turns
from batch_jobs.prepare.checking.formats.sharegpt import conversation_key, parse_items
from batch_jobs.prepare.checking.messages import parse_messages, with_system
from batch_jobs.prepare.checking.shapes import check_answer, check_conversation, check_pair, check_prompt
from batch_jobs.prepare.checking.texts import TextChecks, is_blank
from batch_jobs.prepare.checking.tools import link_calls, parse_tools
from batch_jobs.prepare.checking.values import LABELS, array_of, flag_of, text_of, wrong_type
from tunesmith.contracts.datasets import RowFormat

TRANSCRIPT = re.compile(r"\n\n(Human|Assistant): ?")
"""How Anthropic's HH-RLHF writes a conversation into one text."""


def parse_openai_preference(row: dict[str, Any], checks: TextChecks) -> Row:
    given = row.get("input")
    if not isinstance(given, dict):
        text_of(row, "input", "input")  # says that it is missing
        raise wrong_type("an object", given, "input")
    prompt = parse_messages(array_of(given, "messages", "input.messages"), "input.messages", checks)
    prompt = with_system(row, prompt, checks)
    tools = parse_tools(given, "input.") or parse_tools(row)
    chosen, rejected = (
        parse_messages(array_of(row, key, key), key, checks) for key in ("preferred_output", "non_preferred_output")
    )
    parts = ("input.messages", prompt), ("preferred_output", chosen), ("non_preferred_output", rejected)
    return _pair(RowFormat.OPENAI_PREFERENCE, tools, *parts)


def parse_preference(row: dict[str, Any], checks: TextChecks) -> Row:
    if "chosen" not in row and "rejected_response" in row:
        return _answered_twice(row, checks)
    prompt_key = next((key for key in ("prompt", "instruction") if key in row), None) or conversation_key(row)
    if prompt_key in ("prompt", "instruction"):
        prompt = prompt_turns(row, checks)
    elif prompt_key in row:
        prompt = with_system(row, parse_items(array_of(row, prompt_key, prompt_key), prompt_key, checks), checks)
    else:
        prompt_key, prompt = "prompt", prompt_turns(row, checks)
    chosen, rejected = (answer_turns(row, key, checks) for key in ("chosen", "rejected"))
    parts = (prompt_key, prompt), ("chosen", chosen), ("rejected", rejected)
    return _pair(RowFormat.PREFERENCE, parse_tools(row), *parts)


def parse_implicit_preference(row: dict[str, Any], checks: TextChecks) -> Row:
    """The prompt is what both sides begin with: whole turns of conversations, whole words of texts."""
    better, worse = "chosen", "rejected"
    if "rejected_messages" in row and not {"chosen", "rejected"} & row.keys():
        better, worse = conversation_key(row), "rejected_messages"  # as ms-swift calls them
    sides = [row.get(key) for key in ("chosen", "rejected")]
    if all(isinstance(side, str) for side in sides) and not all(TRANSCRIPT.match(side) for side in sides):
        return _implicit_texts(row, checks)
    chosen, rejected = (_whole(row, key, checks) for key in (better, worse))
    length = _common(chosen, rejected)
    prompt = with_system(row, chosen[:length], checks)
    parts = (better, prompt), (better, chosen[length:]), (worse, rejected[length:])
    return _pair(RowFormat.IMPLICIT_PREFERENCE, parse_tools(row), *parts)


def parse_unpaired_preference(row: dict[str, Any], checks: TextChecks) -> Row:
    """A conversation, or a prompt and its completion, with `label`: whether the answer is wanted."""
    key = next((key for key in LABELS if key in row), "label")
    label, tools = flag_of(row, key, key), parse_tools(row)
    if "prompt" in row or "completion" in row:
        turns, place = prompt_turns(row, checks) + answer_turns(row, "completion", checks), "completion"
    elif "instruction" in row:
        turns, place = prompt_turns(row, checks) + answer_turns(row, "output", checks), "output"
    else:
        place = conversation_key(row)
        turns = with_system(row, parse_items(array_of(row, place, place), place, checks), checks)
    turns = [*_untrained(turns[:-1]), *(replace(turn, trained=turn.role == "assistant") for turn in turns[-1:])]
    check_conversation(turns, place)
    if uses_tools(turns):
        turns = list(link_calls(tools, (place, turns))[0])
    return Row(RowFormat.UNPAIRED_PREFERENCE, tuple(turns), label=label, tools=tools)


Part = tuple[str, list[Turn]]


def _pair(name: RowFormat, tools: str | None, prompt: Part, chosen: Part, rejected: Part) -> Row:
    """The row of a pair; only the two answers are learnt. Raises BadRow."""
    for place, turns in (chosen, rejected):
        check_answer(turns, place)
    if name is not RowFormat.IMPLICIT_PREFERENCE:
        check_prompt(prompt[1], prompt[0])
    check_pair(chosen[1], rejected[1], rejected[0])
    before, better, worse = prompt[1], chosen[1], rejected[1]
    if uses_tools(before + better + worse):
        before, better = link_calls(tools, prompt, chosen)
        worse = link_calls(tools, prompt, rejected)[1]
    return Row(name, tuple(_untrained(before)), tuple(better), tuple(worse), tools=tools)


def _answered_twice(row: dict[str, Any], checks: TextChecks) -> Row:
    """ms-swift's conversation with a `rejected_response`: the better answer is what follows its last question."""
    key = conversation_key(row)
    turns = with_system(row, parse_items(array_of(row, key, key), key, checks), checks)
    asked = max((place + 1 for place, turn in enumerate(turns) if turn.role == "user"), default=0)
    rejected = answer_turns(row, "rejected_response", checks)
    parts = (key, turns[:asked]), (key, turns[asked:]), ("rejected_response", rejected)
    return _pair(RowFormat.PREFERENCE, parse_tools(row), *parts)


def _untrained(turns: Sequence[Turn]) -> list[Turn]:
    return [replace(turn, trained=False) if turn.trained else turn for turn in turns]


def _whole(row: dict[str, Any], key: str, checks: TextChecks) -> list[Turn]:
    """One side of an implicit preference: messages, or a transcript in one text."""
    value = row.get(key)
    if not (isinstance(value, str) and TRANSCRIPT.match(value)):
        return parse_items(array_of(row, key, key), key, checks)
    pieces = TRANSCRIPT.split(value)[1:]
    turns = []
    for speaker, text in zip(pieces[::2], pieces[1::2], strict=True):
        role = "user" if speaker == "Human" else "assistant"
        turns.append(Turn(role, checks.visible(text, key), role == "assistant"))
    return turns


def _implicit_texts(row: dict[str, Any], checks: TextChecks) -> Row:
    chosen, rejected = (checks.visible(row[key], key) for key in ("chosen", "rejected"))
    length = _common(chosen, rejected)
    while length and not chosen[length - 1].isspace():
        length -= 1
    prompt = chosen[:length].rstrip()
    before = [] if is_blank(prompt) else [Turn("user", prompt, False)]
    better, worse = chosen[len(prompt) :] if before else chosen, rejected[len(prompt) :] if before else rejected
    before = with_system(row, before, checks)
    sides = [[Turn("assistant", checks.visible(text.lstrip(), key), True)] for key, text in _named(better, worse)]
    return _pair(RowFormat.IMPLICIT_PREFERENCE, None, ("chosen", before), ("chosen", sides[0]), ("rejected", sides[1]))


def _named(chosen: Any, rejected: Any) -> tuple[tuple[str, Any], tuple[str, Any]]:
    return ("chosen", chosen), ("rejected", rejected)


def _common(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How many items both begin with; of each at least one is left over."""
    length = 0
    while length < min(len(one), len(other)) - 1 and one[length] == other[length]:
        length += 1
    return length
