"""Texts with marks for what was changed or taken out of them. Everything else in them is escaped."""

import difflib
import re
import unicodedata
from collections.abc import Sequence

from markupsafe import Markup, escape

from tunesmith.contracts.preparation import PiiType

PLACEHOLDER = re.compile(f"<(?:{'|'.join(kind.upper() for kind in PiiType)})_[0-9a-f]+>")
WORD = re.compile(r"\s+|[^\s]+")
AROUND = 120
"""Characters that are shown before the first change, and twice as many in all after it."""
COMPARED = 4_000
"""Characters of both texts that are held against each other, from where they begin to differ."""


def with_placeholders(text: str) -> Markup:
    """The text, what was redacted marked; the part around the first mark where the text is long."""
    found = PLACEHOLDER.search(text)
    text = _window(text, found.start() if found else 0)
    made, last = Markup(""), 0
    for match in PLACEHOLDER.finditer(text):
        made += escape(text[last : match.start()]) + Markup("<mark>{}</mark>").format(match.group())
        last = match.end()
    return made + escape(text[last:])


def before_and_after(before: str, after: str) -> tuple[Markup, Markup]:
    """Both texts, the words that differ marked; in these, characters that nobody sees are spelt."""
    first = _parting(before, after)
    start = max(0, first - AROUND)
    old, new = (WORD.findall(text[start : first + COMPARED]) for text in (before, after))
    left, right = _Excerpt(start), _Excerpt(start)
    for kind, begin, end, at, to in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        left.add("".join(old[begin:end]), "" if kind == "equal" else "del")
        right.add("".join(new[at:to]), "" if kind == "equal" else "ins")
    return left.closed(len(before)), right.closed(len(after))


class _Excerpt:
    """As much of a text as is shown, from `start` on. It is cut once it is marked: pieces that were cut before would
    differ where only the cut does."""

    def __init__(self, start: int):
        self._made, self._at, self._end = Markup("…" if start else ""), start, start + 3 * AROUND

    def add(self, text: str, tag: str) -> None:
        text = text[: self._end - self._at]
        self._at += len(text)
        self._made += _marked(tag, text) if tag else escape(text)

    def closed(self, length: int) -> Markup:
        """`length` is that of the whole text."""
        return self._made + ("…" if self._at < length else "")


def alike(texts: Sequence[str]) -> list[Markup]:
    """Texts that are nearly the same: of each but the first, what is not as in the first is marked."""
    first = texts[0]
    at = min((_parting(first, text) for text in texts[1:]), default=0)
    return [escape(_window(first, at)), *(before_and_after(first, text)[1] for text in texts[1:])]


def beginning(text: str) -> str:
    """As much of a text as is shown where nothing of it is marked."""
    return _window(text, 0)


def _parting(one: str, other: str) -> int:
    """Where two texts begin to differ."""
    ends = min(len(one), len(other))
    return next((at for at in range(ends) if one[at] != other[at]), ends)


def _window(text: str, at: int) -> str:
    start, end = max(0, at - AROUND), at + 2 * AROUND
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


def _marked(tag: str, text: str) -> Markup:
    return Markup(f"<{tag}>{{}}</{tag}>").format("".join(map(_seen, text))) if text else Markup("")


def spelt(name: str) -> str:
    """A name whose characters can all be seen: none turns round what stands beside it."""
    return "".join(char if char.isprintable() else _seen(char) for char in name)


def _seen(char: str) -> str:
    """A character that can be told from others by eye."""
    if char == "\n":
        return "⏎\n"
    if char == " " or (char.isprintable() and not unicodedata.combining(char)):
        return char
    return f"[U+{ord(char):04X}]"
