"""The rows' schema and the six patterns of personal data, as every chain in the race has them."""

from typing import Annotated, Literal

import msgspec


class Message(msgspec.Struct, gc=False):
    role: Literal["system", "user", "assistant", "tool"]
    content: Annotated[str, msgspec.Meta(min_length=1)]


class Meta(msgspec.Struct, gc=False):
    model: str
    score: float
    turns: int


class Row(msgspec.Struct, gc=False):
    id: str
    source: str
    created_at: str
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    tags: list[str]
    meta: Meta


PATTERNS = {
    "EMAIL": r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}",
    "KEY": r"\bAKIA[A-Z2-7]{16}\b",
    "CARD": r"\b(?:\d{4}[ -]?){3}\d{4}\b",
    "SSN": r"\b\d{3}-\d{2}-\d{4}\b",
    "PHONE": r"(?:\+1[ -]?)?(?:\(\d{3}\) ?|\b\d{3}[ -])\d{3}[ -]\d{4}\b",
    "IP": r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
}


def passes_luhn(text: str) -> bool:
    digits = [int(character) for character in text if character.isdigit()][::-1]
    return sum(digit if place % 2 == 0 else digit * 2 - 9 * (digit > 4) for place, digit in enumerate(digits)) % 10 == 0


def split_of(first: int) -> str:
    """By a byte of the row's key: 10 % test, 5 % validation."""
    return "test" if first < 26 else "validation" if first < 38 else "train"
