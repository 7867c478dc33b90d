"""Byte-level BPE of ASCII text, word by word: a word that was met before is looked up, not merged again.

Byte-level BPE never merges across the words that its pre-tokeniser cuts, so the ids of a word are the same wherever it
stands. For ASCII text the cut is a regular expression of the standard library; what is not ASCII, and every tokenizer
that is built otherwise (normalisers, SentencePiece, prefix spaces), is left to the tokenizer itself.
"""

import json
import re
from collections.abc import Iterator
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
CLASSES = {"L": "A-Za-z", "N": "0-9", "Lu": "A-Z", "Ll": "a-z"}
"""What the Unicode classes of patterns are within ASCII."""
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""ByteLevel's own pattern (Radford et al., 2019)."""
GPT2_WITHOUT_DIGITS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{{L}}+|{digits}| ?[^\s\p{{L}}\p{{N}}]+|\s+(?![^\s\p{{N}}])|\s+"
"""The same, where Digits has cut digits out before: to what is left, they are the end of the text."""
SAMPLES = (
    "I'll say it's 'S, we'VE 12345 + 6.7e-8 items;\n\n\tdef f(x):\r\n    return x[0]  # done   \n",
    "  two  spaces 9 9  99\t\ttabs\x0b\x0c\x1c\x00 <html> a_b-c ... !!! don't ''s' \r\n\r\n x",
    "C:\\path\\to a\n \n  \n b 'tis 'll 007 3rd x2 2x ()[]{} @#$%^&* ~`|",
)
"""Texts on which a pattern must agree with the tokenizer before it is used at all."""


class WordEncoder:
    """Ids of ASCII texts as `tokenizer.encode(text, add_special_tokens=False)` gives them; tokens that were added to
    the vocabulary are found as the tokenizer finds them."""

    def __init__(self, tokenizer: "Tokenizer", words: re.Pattern[str], added: dict[str, int]):
        self._words, self._ids = words, _WordIds(tokenizer)
        self._added = added
        longest_first = sorted(added, key=len, reverse=True)
        self._apart = re.compile("(" + "|".join(map(re.escape, longest_first)) + ")") if added else None

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
        return list(chain.from_iterable(map(self._ids.__getitem__, self._words.findall(text))))


class _WordIds(dict[str, list[int]]):
    """Ids by word, asked of the model the first time."""

    def __init__(self, tokenizer: "Tokenizer"):
        super().__init__()
        self._model = tokenizer.model

    def __missing__(self, word: str) -> list[int]:
        ids = [token.id for token in self._model.tokenize(word.translate(BYTE_LETTERS))]
        if len(word) <= LONGEST:
            if len(self) >= REMEMBERED:
                self.clear()
            self[word] = ids
        return ids


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
