"""The shape of a row as a whole: whether there is something to learn in it, and from what."""

import unicodedata
from collections.abc import Sequence

from batch_jobs.prepare.canonical import Turn
from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.checking.texts import INVISIBLE
from tunesmith.contracts.datasets import ProblemCode


def check_conversation(turns: Sequence[Turn], place: str) -> None:
    """A conversation teaches something only where an assistant's turn answers something. Raises BadRow."""
    check_answer(turns, place)
    if all(turn.role == "assistant" for turn in turns):
        raise BadRow(ProblemCode.NO_ASSISTANT_TURN, "nothing stands before the answer", field=place)
    if not any(turn.trained for turn in turns[1:]):  # a greeting answers nothing
        raise BadRow(ProblemCode.NO_ASSISTANT_TURN, "every answer has weight 0", field=place)


def check_answer(turns: Sequence[Turn], place: str) -> None:
    """The last turn is the assistant's. Raises BadRow."""
    if turns and turns[-1].role == "assistant":
        return
    found = f"the last turn is {turns[-1].role}'s" if turns else "there are no turns"
    raise BadRow(ProblemCode.NO_ASSISTANT_TURN, f"{found}: there is no answer to learn", field=place)


def check_prompt(turns: Sequence[Turn], place: str) -> None:
    """A prompt asks something. Raises BadRow."""
    if all(turn.role == "system" for turn in turns):
        raise BadRow(ProblemCode.BLANK_CONTENT, "the prompt has no turn that asks something", field=place)


def check_pair(chosen: Sequence[Turn], rejected: Sequence[Turn], place: str) -> None:
    """A pair that is the same on both sides prefers nothing. Raises BadRow."""
    if [seen(turn) for turn in chosen] == [seen(turn) for turn in rejected]:
        message = "the preferred and the other answer are the same, but for what nobody sees"
        raise BadRow(ProblemCode.EQUAL_PAIR, message, field=place)


def seen(turn: Turn) -> tuple[str, str, str | None]:
    """The turn as two that look the same are equal: Unicode form, line breaks and outer whitespace do not count."""
    text = turn.content.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii():
        text = unicodedata.normalize("NFC", INVISIBLE.sub("", text))
    return turn.role, text.strip(), turn.tool_calls
