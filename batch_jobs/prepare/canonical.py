"""The canonical row: what every format is converted to, and what every later step works on."""

from dataclasses import dataclass, field
from typing import Any

from tunesmith.contracts.datasets import KIND_OF, DatasetKind, RowFormat


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation, or the whole text of a plain text row (role `text`)."""

    role: str
    """system, user, assistant, tool or text."""
    content: str
    trained: bool = True
    """For the assistant: whether this turn is learnt (`weight` in OpenAI's format)."""
    name: str | None = None
    tool_calls: str | None = None
    """OpenAI's array of tool calls, as canonical JSON (sorted keys, no spaces)."""
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation that ends with an answer; or a prompt with what its kind of dataset adds to it."""

    format: RowFormat
    turns: tuple[Turn, ...]
    """The conversation; of preferences and prompt-only rows, the prompt (may be empty for implicit preferences)."""
    chosen: tuple[Turn, ...] = ()
    rejected: tuple[Turn, ...] = ()
    label: bool | None = None
    """Of an unpaired preference: whether the answer, the last turn, is wanted."""
    tools: str | None = None
    """OpenAI's array of tool definitions, as canonical JSON."""
    columns: dict[str, Any] = field(default_factory=dict)
    """What the recipe asks to keep besides: ground truth, labels, the group's key; JSON values."""

    @property
    def kind(self) -> DatasetKind:
        return KIND_OF[self.format]

    @property
    def all_turns(self) -> tuple[Turn, ...]:
        return self.turns + self.chosen + self.rejected
