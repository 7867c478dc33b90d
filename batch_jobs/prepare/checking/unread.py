"""What would change the meaning of a row and is read by no format: refused by name, never dropped in silence.

What only describes a row (an id, a source, a score) may stand beside it.
"""

from collections.abc import Collection, Mapping
from typing import Any

from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.checking.texts import is_blank
from batch_jobs.prepare.checking.values import CONVERSATIONS, MEANT, TOGETHER, columns_for, spelt
from tunesmith.contracts.datasets import KIND_OF, DatasetKind, ProblemCode, RowFormat

MEDIA = ("image", "images", "video", "videos", "audio", "audios")
"""Columns in which LLaVA, LLaMA-Factory and ms-swift keep what a placeholder in the text stands for."""
MEDIA_PARTS = frozenset(
    {"image", "image_url", "input_image", "video", "video_url", "audio", "audio_url", "input_audio"}
)
"""Types of parts of a message that are no text."""
IN_MESSAGES = frozenset(
    {"audio", "images", "reasoning_content", "reasoning", "thinking", "train_detail", "training_detail"}
)
"""Keys of a message: sounds and images, thoughts beside its text, and which characters of it are learnt (axolotl)."""
WORSE = ("rejected_response", "rejected_messages")
WATCHED = frozenset({*MEDIA, *MEANT["system"], *WORSE, "context", "input"})
"""Rows with none of these columns, which are most, need no further look."""


def check_columns(row: Mapping[str, Any], name: RowFormat, kept: Collection[str]) -> None:
    """Raises BadRow for a column that would be left out though the row means something else with it.

    Those that stay with the row (`kept`) are the reader's own decision.
    """
    if WATCHED.isdisjoint(row):
        return
    for key in MEDIA:
        if row.get(key) and key not in kept:
            raise _unread(key, f"the row has {key}, and only its text would be learnt")
    if name is RowFormat.TEXT:
        return
    for key in MEANT["system"]:
        if _says(row, key, kept) and "system" not in row and not _is_first_turn(row, key):
            beside = "instruction" if "instruction" in row else "prompt"
            raise _misnamed(key, columns_for(row, TOGETHER[beside]))
    if name is not RowFormat.PROMPT_ONLY:
        _check_context(row, kept)
    if KIND_OF[name] is DatasetKind.CHAT:
        for key in WORSE:
            if _says(row, key, kept):
                raise _misnamed(key, columns_for(row, TOGETHER["chosen"]))


def _is_first_turn(row: Mapping[str, Any], key: str) -> bool:
    """Whether the conversation begins with what the column says."""
    items = next((row[name] for name in CONVERSATIONS if name in row), None)
    first = items[0] if isinstance(items, list) and items else None
    return isinstance(first, dict) and first.get("content", first.get("value")) == row[key]


def check_message(message: Mapping[str, Any], place: str) -> None:
    """Raises BadRow for a key of a message that would be left out though it is learnt, or says what is."""
    if IN_MESSAGES.isdisjoint(message):
        return
    for key in message:
        if key in IN_MESSAGES and message[key]:
            raise BadRow(ProblemCode.UNSUPPORTED, f"{key!r} beside the text would be left out", field=f"{place}.{key}")


def _check_context(row: Mapping[str, Any], kept: Collection[str]) -> None:
    """A text beside the prompt that the answer is about."""
    if any(key in row for key in CONVERSATIONS):
        return
    if "instruction" in row and "prompt" not in row:
        if _says(row, "context", kept):
            raise _misnamed("context", columns_for(row, TOGETHER["instruction"]))
    elif "prompt" in row:
        for key in ("context", "input"):
            if _says(row, key, kept):
                raise _misnamed(key, _as_alpaca(row, key))


def _as_alpaca(row: Mapping[str, Any], key: str) -> dict[str, str]:
    """Prompt and completion by Alpaca's names, which has one for what the answer is about."""
    known = {"prompt": "instruction", key: "input", "completion": "output"}
    return {name: meant for name, meant in known.items() if name in row and name != meant}


def _says(row: Mapping[str, Any], key: str, kept: Collection[str]) -> bool:
    value = row.get(key)
    return key not in kept and bool(value) and not (isinstance(value, str) and is_blank(value))


def _misnamed(key: str, columns: Mapping[str, str]) -> BadRow:
    advice = f"prepare.read.columns: {spelt(columns)} reads it, {{{key}: unused}} leaves it out"
    return _unread(key, f"{key!r} would be left out; {advice}")


def _unread(key: str, reason: str) -> BadRow:
    return BadRow(ProblemCode.UNSUPPORTED, reason, field=key)
