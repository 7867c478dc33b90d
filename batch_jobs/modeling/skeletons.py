"""What a chat template writes around the contents of a conversation, found once for each shape of conversations.

A probe of the same shape (roles, tool calls, blank turns) is rendered with marks in place of its contents. What stands
between the marks is the template's own, and where the assistant's turns lie in the probe they lie in every
conversation of that shape. A conversation is composed anew from skeleton and contents and compared with what the
template really wrote of it: where both differ, the template looks into contents, and the skeleton does not hold.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

EDGE = "\x1f"
"""White space to `trim`, and in no template: whether it is there tells whether the template keeps white space."""
MARK = re.compile(f"({EDGE}?)\ufdd4(\\d+)\ufdd5({EDGE}?)")
FEW = 8
"""Turns of which each is looked at: in longer conversations, several of each kind."""
LITERAL = r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
LOOKED_FOR = re.compile(
    rf"{LITERAL}\s+(?:not\s+)?in\b|\.(?:split|startswith|endswith|find|index|count|replace|partition|r\w+)\(\s*{LITERAL}"
)
"""Literals that a template searches values for."""

Span = tuple[int, int]
Messages = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a content goes: of which message, and whether the template keeps the white space around it."""

    message: int
    keeps_left: bool
    keeps_right: bool

    def fill(self, content: str) -> str:
        kept = content if self.keeps_left else content.lstrip()
        return kept if self.keeps_right else kept.rstrip()


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Pieces of a rendering: text between two turns (None), or a turn of the assistant (index of its message)."""

    pieces: tuple[tuple[int | None, tuple[str | Slot, ...]], ...]

    def compose(self, messages: Messages) -> list[tuple[int | None, str]]:
        contents = [message["content"] for message in messages]
        return [
            (turn, "".join([part if isinstance(part, str) else part.fill(contents[part.message]) for part in parts]))
            for turn, parts in self.pieces
        ]


def marked(index: int) -> str:
    """The content of a probe's message."""
    return f"{EDGE}\ufdd4{index}\ufdd5{EDGE}"


def dissect(text: str, spans: Mapping[int, Span]) -> Skeleton | None:
    """The skeleton in a rendered probe, whose turns lie at `spans`; None where a mark was torn."""
    pieces: list[tuple[int | None, tuple[str | Slot, ...]]] = []
    position = 0
    for turn, (start, end) in spans.items():
        pieces += [(None, _parts(text[position:start])), (turn, _parts(text[start:end]))]
        position = end
    pieces.append((None, _parts(text[position:])))
    literals = "".join(part for _, parts in pieces for part in parts if isinstance(part, str))
    return None if "\ufdd4" in literals or "\ufdd5" in literals else Skeleton(tuple(pieces))


def _parts(text: str) -> tuple[str | Slot, ...]:
    found = MARK.split(text)
    parts: list[str | Slot] = [found[0]]
    for left, message, right, literal in zip(found[1::4], found[2::4], found[3::4], found[4::4], strict=True):
        parts += [Slot(int(message), bool(left), bool(right)), literal]
    return tuple(part for part in parts if part != "")


def probe_spans(
    messages: Messages, turns: Sequence[int], text: str, exact: Callable[[int], Span | None]
) -> dict[int, Span]:
    """Where the turns lie in the rendered probe.

    `exact` finds one, in time that grows with what comes before. In a long conversation it is asked for the first and
    the last turns, for ever fewer in between, and for two of each kind; the others are found by what stands before and
    after turns of their kind. Where turns of one kind differ, or one is rewritten, each is asked for.
    """
    found = _by_kind(messages, turns, text, exact) if len(turns) > FEW else None
    if found is None:
        found = {turn: exact(turn) for turn in turns}
    return {turn: span for turn in turns if (span := found[turn]) is not None}


def _by_kind(
    messages: Messages, turns: Sequence[int], text: str, exact: Callable[[int], Span | None]
) -> dict[int, Span | None] | None:
    kinds: dict[Any, list[int]] = defaultdict(list)
    for turn in turns:
        after = messages[turn + 1]["role"] if turn + 1 < len(messages) else None
        kinds[messages[turn - 1]["role"], after, frozenset(messages[turn])].append(turn)
    marks = {int(mark[2]): mark.span() for mark in MARK.finditer(text)}
    sparse = [1 << power for power in range(len(turns).bit_length()) if 1 << power < len(turns)]
    asked = {*turns[:FEW], *turns[-2:], *(turns[place] for place in sparse)}
    asked |= {turn for alike in kinds.values() for turn in (alike[0], alike[-1])}
    found: dict[int, Span | None] = {turn: exact(turn) for turn in asked}
    for alike in kinds.values():
        frames = {_frame(text, marks, turn, found[turn]) for turn in alike if turn in found}
        frame = frames.pop()
        if frames or frame is None:
            return None
        before, after = frame
        for turn in (turn for turn in alike if turn not in found):
            if turn - 1 not in marks or turn + 1 not in marks:
                return None
            span = marks[turn - 1][1] + len(before), marks[turn + 1][0] - len(after)
            if span[0] > span[1] or _frame(text, marks, turn, span) != frame:
                return None
            found[turn] = span
    return found


def _frame(text: str, marks: Mapping[int, Span], turn: int, span: Span | None) -> tuple[str, str] | None:
    """What stands between the content before a turn and the turn, and between the turn and the content after it."""
    if span is None or turn - 1 not in marks:
        return None
    return text[marks[turn - 1][1] : span[0]], text[span[1] : marks[turn + 1][0] if turn + 1 in marks else len(text)]


@lru_cache(maxsize=64)
def looked_for(template: str) -> re.Pattern[str] | None:
    """Matches contents in which the template finds something that it acts on, such as `</think>`: no skeleton holds
    for them. Names of fields (`'tool_calls' in message`) are none; None: the template looks for nothing."""
    literals = {ast.literal_eval(found[1] or found[2]) for found in LOOKED_FOR.finditer(template)}
    telling = {literal for literal in literals if literal.strip() and not literal.isidentifier()}
    return re.compile("|".join(map(re.escape, sorted(telling)))) if telling else None
