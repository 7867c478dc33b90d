"""Texts that look the same become the same: Unicode form, line breaks, invisible characters, mojibake.

Most texts need nothing, and a compiled pass over the bytes says which: only code points that NFC may change are looked
up (Unicode Standard Annex #15, the quick check). What is left is done by `unicodedata`.
"""

import unicodedata
from functools import cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.batches import Bytes, Flags, Texts, replace_texts
from batch_jobs.prepare.checking.texts import INVISIBLE
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.lanes import LANES, count_bits, lowest, mask_of
from tunesmith.contracts.preparation import Invisible, NormaliseRecipe

MAY_CHANGE = (range(0xC0, 0x3400), range(0xA000, 0xAC00), range(0xF900, 0x10000))
"""Not among them: CJK ideographs, Hangul syllables, which are composed already, surrogates, and what is private."""
_needs_thought, _continues = mask_of("\r\x80-\xff"), mask_of("\x80-\xbf")


def normalise(texts: Texts, recipe: NormaliseRecipe) -> tuple[Texts, Flags]:
    """The texts as the recipe wants them, and which of them were changed."""
    changed: dict[int, bytes] = {}
    for index in np.flatnonzero(_needs_look(texts, recipe)).tolist():
        before = texts[index]
        after = clean_text(before, recipe)
        if after != before:
            changed[index] = after.encode()
    flags = np.zeros(len(texts), np.bool_)
    flags[list(changed)] = True
    return replace_texts(texts, changed), flags


def clean_text(text: str, recipe: NormaliseRecipe) -> str:
    """One text as the recipe wants it; doing it twice changes nothing more."""
    if recipe.mojibake:
        text = _mend_mojibake(text)
    if recipe.line_breaks and "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if recipe.invisible is Invisible.REMOVE and not text.isascii():
        text = INVISIBLE.sub("", text)
    if recipe.unicode != "none" and not text.isascii():
        text = unicodedata.normalize(recipe.unicode.upper(), text)
    return text


def _mend_mojibake(text: str) -> str:
    from ftfy import fix_encoding

    return fix_encoding(text)


def _needs_look(texts: Texts, recipe: NormaliseRecipe) -> Flags:
    found = np.zeros(len(texts), np.bool_)
    looks_at_all = recipe.mojibake or recipe.unicode == "nfkc" or recipe.invisible is Invisible.REMOVE
    _look(texts.buffer, texts.offsets, _table(), looks_at_all, recipe.unicode != "none", recipe.line_breaks, found)
    return found


@compiled
def _look(buffer, offsets, changes, at_all, form, breaks, found):
    for text in range(len(offsets) - 1):
        at, end = offsets[text], offsets[text + 1]
        while at < end:
            byte = np.int64(buffer[at])
            if byte < 128 and byte != 13 and at + LANES <= len(buffer):
                at += lowest(_needs_thought(buffer, at))
                continue
            if byte < 128:
                if byte == 13 and breaks:
                    found[text] = True
                    break
                at += 1
                continue
            if at_all:
                found[text] = True
                break
            if byte < 0xE0:
                length, point = 2, (byte & 0x1F) << 6 | np.int64(buffer[at + 1]) & 0x3F
            elif byte < 0xF0:
                length = 3
                point = (byte & 0xF) << 12 | (np.int64(buffer[at + 1]) & 0x3F) << 6 | np.int64(buffer[at + 2]) & 0x3F
            else:
                length, point = 4, np.int64(0x1FFFF)
            if form and (point > 0xFFFF or changes[point]):
                found[text] = True
                break
            at += length


@cache
def _table() -> NDArray[np.bool_]:
    """Per code point of the basic plane: whether NFC may change a text that has it."""
    table = np.zeros(0x10000, np.bool_)
    for code in chain(*MAY_CHANGE):
        char = chr(code)
        if unicodedata.combining(char) or not unicodedata.is_normalized("NFC", char):
            table[code] = True
        parts = unicodedata.decomposition(char)
        if " " in parts and not parts.startswith("<"):
            second = int(parts.split()[1], 16)
            if second < 0x10000:
                table[second] = True
    table[0x1161:0x1176] = table[0x11A8:0x11C3] = True  # jamo that join the one before them
    return table


def count_characters(texts: Texts) -> NDArray[np.int64]:
    """Code points of each text."""
    found = np.empty(len(texts), np.int64)
    _count(texts.buffer, texts.offsets, found)
    return found


@compiled
def _count(buffer: Bytes, offsets: NDArray[np.int64], found: NDArray[np.int64]) -> None:
    for text in range(len(offsets) - 1):
        at, end = offsets[text], offsets[text + 1]
        count = end - at
        while at < end and at + LANES <= len(buffer):
            beyond = np.uint64(max(at + LANES - end, 0))
            count -= count_bits(_continues(buffer, at) << beyond)
            at += LANES
        for rest in range(at, end):
            count -= (buffer[rest] & 0xC0) == 0x80
        found[text] = count
