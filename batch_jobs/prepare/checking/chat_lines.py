"""The compiled fast path: lines that are plain OpenAI chats become columns in one pass over their bytes.

It takes only what it is certain of. A line with anything unusual (another format, tool calls, a key twice, an odd
number, a character that the checks might refuse, bytes that are no UTF-8) is left to the Python path, which is the
reference and says what is wrong. So both together give what the Python path gives alone; a property test holds them
to that.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from batch_jobs.prepare.batches import Bytes, Integers, Texts
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.lanes import LANES, copy_lanes, lowest, mask_of

BLANK, LEFT, TAKEN = range(3)
"""What became of a line: nothing on it, left to the Python path, taken."""

RESERVED_KEYS = (
    *("tools", "functions", "parallel_tool_calls", "prompt", "completion", "completions", "instruction", "output"),
    *("input", "history", "system", "text", "conversations", "chosen", "rejected", "label", "labels"),
    *("preferred_output", "non_preferred_output", "query", "response", "question", "answer"),
    *("kto_tag", "system_prompt", "system_message", "rejected_response", "rejected_messages"),
    *("image", "images", "video", "videos", "audio", "audios"),
)
"""Top-level keys that may make a row something else than a plain chat, or that it is refused for."""

DEPTH = 24
KEYS = 256
"""Of all open objects together; a line with more is left."""

NON_ASCII, CARRIAGE_RETURN, VISIBLE, SUSPICIOUS = 1, 2, 4, 8
"""Flags of a text: its bytes, and whether it may need Unicode normalisation (SUSPICIOUS: a code point of U+0300 up)."""


@dataclass(frozen=True, slots=True)
class ChatLines:
    """The lines that were taken, as columns; and what became of each line."""

    fate: Bytes
    """Per line: BLANK, LEFT or TAKEN."""
    texts: Texts
    """Per segment of the taken lines, in order."""
    role: Bytes
    flags: Bytes
    """Per segment: NON_ASCII | CARRIAGE_RETURN | VISIBLE | SUSPICIOUS."""
    first: Integers
    """Per taken line and one more: its first segment."""


def key_hashes(keys: Iterable[str]) -> "np.ndarray":
    """FNV-1a of each key, as `take_chats` wants its reserved keys."""
    found = []
    for key in keys:
        value = 0xCBF29CE484222325
        for byte in key.encode():
            value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
        found.append(value)
    return np.array(sorted(found), np.uint64)


def take_chats(data: bytes, starts: Integers, ends: Integers, reserved: "np.ndarray") -> ChatLines:
    """Parse lines `data[starts[i]:ends[i]]`; `reserved` are hashes of keys whose lines are to be left."""
    source = np.frombuffer(data, np.uint8)
    total = int((ends - starts).sum())
    text = np.empty(total + LANES, np.uint8)
    most = total // 24 + 1  # {"role":"","content":""} is the least that a segment takes
    offsets, role, flags = np.empty(most + 1, np.int64), np.empty(most, np.uint8), np.empty(most, np.uint8)
    fate, first = np.empty(len(starts), np.uint8), np.empty(len(starts) + 1, np.int64)
    rows, segments, size = _take(source, starts, ends, reserved, text, offsets, role, flags, fate, first)
    return ChatLines(
        fate, Texts(text[:size], offsets[: segments + 1]), role[:segments], flags[:segments], first[: rows + 1]
    )


@compiled
def _take(data, starts, ends, reserved, text, offsets, role, flags, fate, first):
    keys, frames = np.empty(KEYS, np.uint64), np.empty(DEPTH + 1, np.int64)
    rows = segments = size = 0
    offsets[0] = first[0] = 0
    for line in range(len(starts)):
        start, end = _trim(data, starts[line], ends[line])
        if start == end:
            fate[line] = BLANK
            continue
        after = _chat(data, start, end, reserved, text, offsets, role, flags, segments, size, keys, frames)
        if after < 0:
            fate[line] = LEFT
            continue
        fate[line] = TAKEN
        segments, size = after, offsets[after]
        rows += 1
        first[rows] = segments
    return rows, segments, size


@compiled
def _trim(data, start, end):
    """JSON's own white space at both ends."""
    while start < end and _is_space(data[start]):
        start += 1
    while end > start and _is_space(data[end - 1]):
        end -= 1
    return start, end


@compiled
def _is_space(byte):
    return byte == 32 or byte == 9 or byte == 10 or byte == 13


@compiled
def _skip_space(data, at, end):
    while at < end and _is_space(data[at]):
        at += 1
    return at


@compiled
def _chat(data, at, end, reserved, text, offsets, role, flags, segments, size, keys, frames):
    """One line as a chat; the number of segments after it, or -1 where it is left."""
    if data[at] != 123 or end - at < 2:
        return -1
    at = _skip_space(data, at + 1, end)
    before, found, known = segments, False, 0
    while True:
        if at >= end or data[at] != 34:
            return -1
        key_start = at + 1
        at, key, plain = _skip_string(data, at, end)
        if at < 0 or not plain or known == KEYS // 2:
            return -1
        for other in range(known):
            if keys[other] == key:
                return -1
        keys[known] = key
        known += 1
        place = np.searchsorted(reserved, key)
        if place < len(reserved) and reserved[place] == key:
            return -1
        at = _colon(data, at, end)
        if at < 0:
            return -1
        if at - key_start >= 9 and _is_word(data, key_start, MESSAGES):
            at, segments = _messages(data, at, end, text, offsets, role, flags, segments, size)
            found = True
        else:
            at = _skip_value(data, at, end, keys, known, frames)
        if at < 0:
            return -1
        at = _skip_space(data, at, end)
        if at >= end:
            return -1
        if data[at] == 125:
            break
        if data[at] != 44:
            return -1
        at = _skip_space(data, at + 1, end)
    if at + 1 != end or not found or segments == before:
        return -1
    return segments if _teaches(role, before, segments) else -1


MESSAGES, ROLE, CONTENT = (np.frombuffer(word, np.uint8) for word in (b'messages"', b'role"', b'content"'))


@compiled
def _is_word(data, at, word):
    for index in range(len(word)):
        if data[at + index] != word[index]:
            return False
    return True


@compiled
def _teaches(role, before, segments):
    """The last turn is the assistant's, and answers something."""
    if role[segments - 1] != 2:
        return False
    for segment in range(before, segments):
        if role[segment] != 2:
            return True
    return False


@compiled
def _colon(data, at, end):
    at = _skip_space(data, at, end)
    if at >= end or data[at] != 58:
        return -1
    at = _skip_space(data, at + 1, end)
    return at if at < end else -1


@compiled
def _messages(data, at, end, text, offsets, role, flags, segments, size):
    if data[at] != 91:
        return -1, segments
    at = _skip_space(data, at + 1, end)
    while True:
        if at >= end or data[at] != 123:
            return -1, segments
        at, code, size, marks = _message(data, at, end, text, size)
        if at < 0:
            return -1, segments
        role[segments], flags[segments] = code, marks
        segments += 1
        offsets[segments] = size
        at = _skip_space(data, at, end)
        if at >= end:
            return -1, segments
        if data[at] == 93:
            return at + 1, segments
        if data[at] != 44:
            return -1, segments
        at = _skip_space(data, at + 1, end)


@compiled
def _message(data, at, end, text, size):
    """`{"role": ..., "content": ...}`, these two and no more: (after it, role, end of its text, flags), or -1 first."""
    code, marks, has_content = -1, 0, False
    at = _skip_space(data, at + 1, end)
    while True:
        if at + 10 >= end or data[at] != 34:
            return -1, 0, size, 0
        if code < 0 and _is_word(data, at + 1, ROLE):
            at = _colon(data, at + 6, end)
            if at < 0:
                return -1, 0, size, 0
            at, code = _role(data, at, end)
        elif not has_content and _is_word(data, at + 1, CONTENT):
            at = _colon(data, at + 9, end)
            if at < 0 or data[at] != 34:
                return -1, 0, size, 0
            at, size, marks = _text(data, at, end, text, size)
            has_content = True
        else:
            return -1, 0, size, 0
        if at < 0:
            return -1, 0, size, 0
        at = _skip_space(data, at, end)
        if at >= end:
            return -1, 0, size, 0
        if data[at] == 125:
            break
        if data[at] != 44:
            return -1, 0, size, 0
        at = _skip_space(data, at + 1, end)
    if code < 0 or not has_content or (code > 0 and not marks & VISIBLE):
        return -1, 0, size, 0
    return at + 1, code, size, marks


USER, SYSTEM, ASSISTANT, DEVELOPER = (
    np.frombuffer(word, np.uint8) for word in (b'"user"', b'"system"', b'"assistant"', b'"developer"')
)


@compiled
def _role(data, at, end):
    if at + 6 <= end and _is_word(data, at, USER):
        return at + 6, 1
    if at + 11 <= end and _is_word(data, at, ASSISTANT):
        return at + 11, 2
    if at + 8 <= end and _is_word(data, at, SYSTEM):
        return at + 8, 0
    if at + 11 <= end and _is_word(data, at, DEVELOPER):
        return at + 11, 0
    return -1, -1


PLAIN = np.zeros(256, np.uint8)
"""Per byte: 0 an ordinary visible character, 1 white space that may stand in a text, 2 whatever needs a closer look."""
PLAIN[:32] = 2
PLAIN[32] = 1
PLAIN[[34, 60, 92, 127]] = 2  # the quote, <, the backslash, DEL
PLAIN[128:] = 2
_needs_look, _visible = mask_of('\x00-\x1f"<\\\x7f-\xff'), mask_of("!-~")


@compiled
def _text(data, at, end, text, size):
    """A string with its escapes undone, into `text`: (after its closing quote, end of the text, flags), or -1 first.
    Writes up to LANES bytes more than it has."""
    at += 1
    marks = 0
    while at < end:
        byte = data[at]
        kind = PLAIN[byte]
        if kind < 2 and at + LANES <= len(data):
            run = min(lowest(_needs_look(data, at)), end - at)
            if not marks & VISIBLE and lowest(_visible(data, at)) < run:
                marks |= VISIBLE
            copy_lanes(data, at, text, size)
            size += run
            at += run
            continue
        if kind < 2:
            text[size] = byte
            size += 1
            at += 1
            if kind == 0:
                marks |= VISIBLE
            continue
        if byte == 34:
            return at + 1, size, marks
        if byte == 60:
            if at + 1 < end and (data[at + 1] == 124 or data[at + 1] == 92):
                return -1, size, 0  # may be a chat marker, or be one when its escapes are undone
            text[size] = byte
            size, at, marks = size + 1, at + 1, marks | VISIBLE
            continue
        if byte == 92:
            at, point = _escape(data, at, end)
            if at < 0 or point == 60 or not _is_allowed(point):
                return -1, size, 0
            size = _encode(point, text, size)
            marks |= _marks_of(point)
            continue
        if byte < 128:
            return -1, size, 0
        length, point = _decode(data, at, end)
        if length == 0 or not _is_allowed(point):
            return -1, size, 0
        for index in range(length):
            text[size + index] = data[at + index]
        size, at, marks = size + length, at + length, marks | _marks_of(point)
    return -1, size, 0


@compiled
def _marks_of(point):
    if point < 128:
        return VISIBLE if point > 32 else (CARRIAGE_RETURN if point == 13 else 0)
    marks = NON_ASCII
    if point >= 0x300:
        marks |= SUSPICIOUS
    if (
        (0xC0 <= point < 0x1100)
        or (0x2100 <= point < 0x2400)
        or (0x3041 <= point < 0x3100)
        or (0x3400 <= point < 0xA000)
    ):
        marks |= VISIBLE
    if 0xAC00 <= point < 0xD7A4 or 0x1F300 <= point < 0x1FA00:
        marks |= VISIBLE
    return marks


@compiled
def _is_allowed(point):
    """Whether no policy of the checks could refuse the code point; controls, invisible and odd ones are left."""
    if point < 0x80:
        return point >= 32 and point != 127 or point == 9 or point == 10 or point == 12 or point == 13
    if point < 0x300:
        return point >= 0xA0 and point != 0xAD
    if point < 0x2000:
        return not (
            point == 0x34F
            or 0x600 <= point <= 0x605
            or point == 0x61C
            or point == 0x6DD
            or point == 0x70F
            or point == 0x8E2
            or point == 0x115F
            or point == 0x1160
            or 0x17B4 <= point <= 0x17B5
            or 0x180B <= point <= 0x180F
        )
    if point < 0x3000:
        return not (
            0x200B <= point <= 0x200F or 0x2028 <= point <= 0x202E or 0x2060 <= point <= 0x206F or point == 0x2800
        )
    if point < 0xD800:
        return point != 0x3164
    if point < 0xF900:
        return False  # surrogates and private use
    if point < 0x10000:
        return not (
            0xFDD0 <= point <= 0xFDEF
            or 0xFE00 <= point <= 0xFE0F
            or point == 0xFEFF
            or point == 0xFFA0
            or point >= 0xFFF0
        )
    return (
        point < 0x30000
        and (point & 0xFFFF) < 0xFFFE
        and not 0x1BCA0 <= point <= 0x1BCA3
        and not 0x1D173 <= point <= 0x1D17A
    )


@compiled
def _escape(data, at, end):
    """The code point of the escape at `data[at]`, a backslash: (after it, code point); -1 first for half a pair."""
    if at + 1 >= end:
        return -1, 0
    byte = data[at + 1]
    if byte == 110:
        return at + 2, 10
    if byte == 34 or byte == 92 or byte == 47:
        return at + 2, np.int64(byte)
    if byte == 116:
        return at + 2, 9
    if byte == 114:
        return at + 2, 13
    if byte == 98:
        return at + 2, 8
    if byte == 102:
        return at + 2, 12
    if byte != 117:
        return -1, 0
    point = _hex4(data, at + 2, end)
    if point < 0 or 0xDC00 <= point < 0xE000:
        return -1, 0
    if 0xD800 <= point < 0xDC00:
        if at + 7 >= end or data[at + 6] != 92 or data[at + 7] != 117:
            return -1, 0
        low = _hex4(data, at + 8, end)
        if low < 0xDC00 or low >= 0xE000:
            return -1, 0
        return at + 12, 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00)
    return at + 6, point


@compiled
def _hex4(data, at, end):
    if at + 4 > end:
        return -1
    value = 0
    for index in range(4):
        byte = np.int64(data[at + index])
        if 48 <= byte <= 57:
            digit = byte - 48
        elif 97 <= byte <= 102:
            digit = byte - 87
        elif 65 <= byte <= 70:
            digit = byte - 55
        else:
            return -1
        value = value * 16 + digit
    return value


@compiled
def _encode(point, text, size):
    if point < 0x80:
        text[size] = point
        return size + 1
    if point < 0x800:
        text[size] = 0xC0 | (point >> 6)
        text[size + 1] = 0x80 | (point & 0x3F)
        return size + 2
    if point < 0x10000:
        text[size] = 0xE0 | (point >> 12)
        text[size + 1] = 0x80 | ((point >> 6) & 0x3F)
        text[size + 2] = 0x80 | (point & 0x3F)
        return size + 3
    text[size] = 0xF0 | (point >> 18)
    text[size + 1] = 0x80 | ((point >> 12) & 0x3F)
    text[size + 2] = 0x80 | ((point >> 6) & 0x3F)
    text[size + 3] = 0x80 | (point & 0x3F)
    return size + 4


@compiled
def _decode(data, at, end):
    """The UTF-8 character at `data[at]`: (length, code point); length 0 where it is none."""
    lead = np.int64(data[at])
    if lead < 0xC2 or lead > 0xF4:
        return 0, 0
    length = 2 if lead < 0xE0 else (3 if lead < 0xF0 else 4)
    if at + length > end:
        return 0, 0
    point = lead & (0x7F >> length)
    for index in range(1, length):
        byte = np.int64(data[at + index])
        if byte & 0xC0 != 0x80:
            return 0, 0
        point = (point << 6) | (byte & 0x3F)
    if length == 3 and (point < 0x800 or 0xD800 <= point < 0xE000):
        return 0, 0
    if length == 4 and (point < 0x10000 or point > 0x10FFFF):
        return 0, 0
    return length, point


@compiled
def _skip_string(data, at, end):
    """Past a string that is not wanted: (after it or -1, FNV-1a of its bytes, whether it has neither escapes nor
    non-ASCII bytes)."""
    at += 1
    value, plain = np.uint64(0xCBF29CE484222325), True
    while at < end:
        byte = data[at]
        if byte == 34:
            return at + 1, value, plain
        if byte < 32:
            break
        value = (value ^ np.uint64(byte)) * np.uint64(0x100000001B3)
        if byte == 92:
            at, _ = _escape(data, at, end)
            plain = False
            if at < 0:
                break
        elif byte < 128:
            at += 1
        else:
            length, _ = _decode(data, at, end)
            plain = False
            if length == 0:
                break
            at += length
    return -1, value, False


@compiled
def _skip_value(data, at, end, keys, base, frames):
    """Past any valid JSON value: after it, or -1. Keys of open objects lie on the stack `keys` from `base` on."""
    depth, top = 0, base
    frames[0] = -1
    while True:
        at = _skip_space(data, at, end)
        if at >= end:
            return -1
        byte = data[at]
        if byte == 123 or byte == 91:
            depth += 1
            if depth > DEPTH - 2:
                return -1
            frames[depth] = top if byte == 123 else -1
            at = _skip_space(data, at + 1, end)
            if at >= end:
                return -1
            if data[at] == byte + 2:
                at += 1
                depth -= 1
            elif byte == 123:
                at, top = _skip_key(data, at, end, keys, frames[depth], top)
                if at < 0:
                    return -1
                continue
            else:
                continue
        else:
            at = _skip_scalar(data, at, end)
            if at < 0:
                return -1
        while depth > 0:
            at = _skip_space(data, at, end)
            if at >= end:
                return -1
            byte = data[at]
            if byte == 44:
                at = _skip_space(data, at + 1, end)
                if frames[depth] >= 0:
                    at, top = _skip_key(data, at, end, keys, frames[depth], top)
                    if at < 0:
                        return -1
                break
            if byte != (125 if frames[depth] >= 0 else 93):
                return -1
            if frames[depth] >= 0:
                top = frames[depth]
            depth -= 1
            at += 1
        if depth == 0:
            return at


@compiled
def _skip_key(data, at, end, keys, bottom, top):
    """Past a key and its colon; -1 also where the object may have the key twice."""
    if at >= end or data[at] != 34 or top >= KEYS:
        return -1, top
    at, key, plain = _skip_string(data, at, end)
    if at < 0 or not plain:
        return -1, top
    for other in range(bottom, top):
        if keys[other] == key:
            return -1, top
    keys[top] = key
    return _colon(data, at, end), top + 1


TRUE, FALSE, NULL = (np.frombuffer(word, np.uint8) for word in (b"true", b"false", b"null"))


@compiled
def _skip_scalar(data, at, end):
    byte = data[at]
    if byte == 34:
        at, _, _ = _skip_string(data, at, end)
        return at
    if byte == 45 or 48 <= byte <= 57:
        return _skip_number(data, at, end)
    if byte == 116:
        return at + 4 if at + 4 <= end and _is_word(data, at, TRUE) else -1
    if byte == 102:
        return at + 5 if at + 5 <= end and _is_word(data, at, FALSE) else -1
    if byte == 110:
        return at + 4 if at + 4 <= end and _is_word(data, at, NULL) else -1
    return -1


@compiled
def _skip_number(data, at, end):
    """Past a number of at most 18 digits a part and two of exponent, so in range whatever it is."""
    if data[at] == 45:
        at += 1
    start = at
    at = _skip_digits(data, at, end)
    if at == start or at - start > 18 or (data[start] == 48 and at - start > 1):
        return -1
    if at < end and data[at] == 46:
        start = at + 1
        at = _skip_digits(data, start, end)
        if at == start:
            return -1
    if at < end and (data[at] == 101 or data[at] == 69):
        at += 1
        if at < end and (data[at] == 43 or data[at] == 45):
            at += 1
        start = at
        at = _skip_digits(data, at, end)
        if at == start or at - start > 2:
            return -1
    return at


@compiled
def _skip_digits(data, at, end):
    while at < end and 48 <= data[at] <= 57:
        at += 1
    return at
