"""Byte-level BPE word by word: a word that was met before is looked up, not merged again.

Byte-level BPE never merges across the words that its pre-tokeniser cuts, so the ids of a word are the same wherever it
stands. For ASCII text the cut is a regular expression of the standard library. Other text is cut where every such
tokenizer cuts, at a space between two visible ASCII characters, and what holds other letters is asked of the tokenizer
once. Scripts without spaces, and tokenizers that are built otherwise (normalisers, SentencePiece, prefix spaces), are
left to the tokenizer itself.
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

REMEMBERED = 500_000
"""Words, after which forgetting begins: some 100 MB."""
LONGEST = 64
"""Characters of a word that is worth remembering."""
APART = re.compile(r"(?<=[!-~])(?= [!-~])")
"""Where a word surely ends: the space belongs to the next one, or stands alone."""
SPACED = 16
"""Characters to a space, at most, in text that is worth cutting there."""
CLASSES = {"L": "A-Za-z", "N": "0-9", "Lu": "A-Z", "Ll": "a-z"}
"""What the Unicode classes of patterns are within ASCII."""
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""ByteLevel's own pattern (Radford et al., 2019)."""
GPT2_WITHOUT_DIGITS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{{L}}+|{digits}| ?[^\s\p{{L}}\p{{N}}]+|\s+(?![^\s\p{{N}}])|\s+"
"""The same, where Digits has cut digits out before: to what is left, they are the end of the text."""
SAMPLES = (
    "I'll say it's 'S, we'VE 12345 + 6.7e-8 items;\n\n\tdef f(x):\r\n    return x[0]  # done   \n",
    "  two  spaces 9 9  99\t\ttabs\x0b\x0c\x1c\x00 <html> a_b-c ... !!! don't ''s' \r\n\r\n x",
    "caf\u00e9 l'\u00e9t\u00e9 na\u00efve  \u4f60\u597d x \u00a0 y\u2003z \u201cquoted\u201d 5 \u0665\u0666 e\u0301 x",
    "C:\\path\\to a\n \n  \n b 'tis 'll 007 3rd x2 2x ()[]{} @#$%^&* ~`|",
)
"""Texts on which a pattern must agree with the tokenizer before it is used at all."""


class WordEncoder:
    """Ids of texts as `tokenizer.encode(text, add_special_tokens=False)` gives them; tokens that were added to
    the vocabulary are found as the tokenizer finds them."""

    def __init__(self, tokenizer: "Tokenizer", words: re.Pattern[str], added: dict[str, int]):
        self._words, self._ids, self._foreign = words, _WordIds(tokenizer), _ForeignIds(tokenizer)
        self._added = added
        longest_first = sorted(added, key=len, reverse=True)
        self._apart = re.compile("(" + "|".join(map(re.escape, longest_first)) + ")") if added else None

    def takes(self, text: str) -> bool:
        """Whether the text is better encoded here than by the tokenizer; whatever it is, the ids are the same."""
        return text.isascii() or text.count(" ") * SPACED >= len(text)

    def encode(self, text: str) -> list[int]:
        if self._apart is None:
            return self._encode_words(text)
        parts = self._apart.split(text)
        if len(parts) == 1:
            return self._encode_words(text)
        ids: list[int] = []
        for place, part in enumerate(parts):
            if place % 2:
                ids.append(self._added[part])
            elif part:
                ids += self._encode_words(part)
        return ids

    def _encode_words(self, text: str) -> list[int]:
        if text.isascii():
            return list(chain.from_iterable(map(self._ids.__getitem__, self._words.findall(text))))
        return [
            token
            for chunk in APART.split(text)
            for token in (self._encode_words(chunk) if chunk.isascii() else self._foreign[chunk])
        ]


class _Remembered(dict[str, list[int]], ABC):
    """Ids by text, found the first time."""

    def __init__(self, tokenizer: "Tokenizer"):
        super().__init__()
        self._tokenizer = tokenizer
        self._model = tokenizer.model

    def __missing__(self, text: str) -> list[int]:
        ids = [token.id for word in self._cut(text) for token in self._model.tokenize(word)]
        if len(text) <= LONGEST:
            if len(self) >= REMEMBERED:
                self.clear()
            self[text] = ids
        return ids

    @abstractmethod
    def _cut(self, text: str) -> Iterable[str]:
        """Words in the model's letters for bytes."""


class _WordIds(_Remembered):
    """Of one ASCII word."""

    def _cut(self, text: str) -> Iterable[str]:
        return (text.translate(BYTE_LETTERS),)


class _ForeignIds(_Remembered):
    """Of text that the tokenizer must cut itself."""

    def _cut(self, text: str) -> Iterable[str]:
        return [word for word, _ in self._tokenizer.pre_tokenizer.pre_tokenize_str(text)]


def _byte_letters() -> dict[int, int]:
    """Byte-level BPE's letter for each ASCII character: printable ones stand for themselves."""
    hidden = [byte for byte in range(256) if not (33 <= byte <= 126 or 161 <= byte <= 172 or 174 <= byte <= 255)]
    return {byte: 256 + place for place, byte in enumerate(hidden) if byte < 128}


BYTE_LETTERS = _byte_letters()


@lru_cache(maxsize=8)
def word_encoder(tokenizer: "PreTrainedTokenizerFast", added: int) -> WordEncoder | None:
    """The encoder for this tokenizer, or None where words do not decide its ids. `added`, the number of its added
    tokens, is part of the key because people add some."""
    backend = tokenizer.backend_tokenizer
    pattern = _word_pattern(backend)
    tokens = tokenizer.added_tokens_decoder
    bends = any(token.lstrip or token.rstrip or token.single_word for token in tokens.values())
    orders = {token.normalized for token in tokens.values()}
    if pattern is None or bends or len(orders) > 1:
        return None
    made = WordEncoder(backend, re.compile(pattern, re.ASCII), {token.content: id for id, token in tokens.items()})
    agree = all(made.encode(text) == tokenizer.encode(text, add_special_tokens=False) for text in SAMPLES)
    return made if agree else None


def _word_pattern(backend: "Tokenizer") -> str | None:
    from tokenizers.models import BPE

    model = backend.model
    is_plain_bpe = isinstance(model, BPE) and not (model.dropout or model.continuing_subword_prefix)
    if not is_plain_bpe or backend.normalizer is not None or backend.pre_tokenizer is None:
        return None
    return _ascii_pattern([*_steps(json.loads(backend.pre_tokenizer.__getstate__()))])


def _steps(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if spec["type"] == "Sequence":
        for inner in spec["pretokenizers"]:
            yield from _steps(inner)
    else:
        yield spec


def _ascii_pattern(steps: list[dict[str, Any]]) -> str | None:
    """The pre-tokeniser's words of an ASCII text, as one pattern of `re`."""
    match [(step["type"], step) for step in steps]:
        case [("ByteLevel", last)] if last["use_regex"] and not last["add_prefix_space"]:
            return _within_ascii(GPT2)
        case [("Digits", first), ("ByteLevel", last)] if last["use_regex"] and not last["add_prefix_space"]:
            digits = "[0-9]" if first["individual_digits"] else "[0-9]+"
            return _within_ascii(GPT2_WITHOUT_DIGITS.format(digits=digits))
        case [("Split", first), ("ByteLevel", last)] if not last["use_regex"] and not last["add_prefix_space"]:
            is_plain = first["behavior"] == "Isolated" and not first["invert"]
            return _within_ascii(first["pattern"].get("Regex")) if is_plain else None
    return None


def _within_ascii(pattern: str | None) -> str | None:
    r"""The pattern with `\p{L}` and its like spelt out; None where it holds what `re` does not know."""
    if pattern is None:
        return None
    made, inside = [], False
    for piece in re.findall(r"\\p\{\w+\}|\\.|.", pattern, re.DOTALL):
        if piece.startswith(r"\p"):
            letters = CLASSES.get(piece[3:-1])
            if letters is None:
                return None
            piece = letters if inside else f"[{letters}]"
        elif piece in "[]":
            inside = piece == "["
        made.append(piece)
    try:
        return re.compile("".join(made), re.ASCII).pattern
    except re.error:
        return None
