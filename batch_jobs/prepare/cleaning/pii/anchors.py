"""Where a closer look is worth its price: one compiled pass over the bytes. Texts without anchors cost nothing more.

An anchor is what every value of a form must have: an `@`, many digits near to each other, colons between hex digits, a
long run of letters and digits, or a word like `password` before an equals sign. Its window is what may belong to it.
"""

from functools import cache

import numpy as np

from batch_jobs.prepare.batches import Bytes, Integers, Texts
from batch_jobs.prepare.compiling import compiled

AT, DIGITS, COLONS, LONG, ASSIGNMENT = 1, 2, 4, 8, 16

AROUND_AT, AROUND = 320, 48
LEAST_DIGITS, LEAST_DOTTED, DIGITS_APART = 6, 4, 4
"""Digits of one value are at most three other bytes apart: `(020) - 79`."""
SHORT_RUN, RUN_DIGITS, LONG_RUN = 10, 3, 30
"""A run of letters and digits is looked at if it is short and has digits, or if it is long."""

_PLAIN, _DIGIT, _WORD, _AT, _COLON, _EQUALS = range(6)


def find_anchors(texts: Texts) -> tuple[Integers, Integers, Bytes]:
    """Windows in the order of the buffer: first byte, byte after the last, which anchors. None crosses a text's end."""
    size = 64 + int(texts.offsets[-1] - texts.offsets[0]) // 64
    while True:
        start, end, kinds = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.uint8)
        count = _scan(texts.buffer, texts.offsets, _classes(), start, end, kinds)
        if count <= size:
            return start[:count], end[:count], kinds[:count]
        size = count


@cache
def _classes() -> Bytes:
    classes = np.zeros(256, np.uint8)
    classes[list(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-+/")] = _WORD
    classes[list(b"0123456789")] = _DIGIT
    classes[ord("@")], classes[ord(":")], classes[ord("=")] = _AT, _COLON, _EQUALS
    return classes


@compiled
def _add(buffer, low, high, first, last, kind, start, end, kinds, count):
    """Put down a window, cut to the text and to whole characters; windows that meet are one."""
    first, last = max(first, low), min(last, high)
    while first > low and buffer[first] & 0xC0 == 0x80:
        first -= 1
    while last < high and buffer[last] & 0xC0 == 0x80:
        last += 1
    if count and count <= len(start) and end[count - 1] >= first and start[count - 1] >= low:
        start[count - 1] = min(start[count - 1], first)
        end[count - 1] = max(end[count - 1], last)
        kinds[count - 1] |= kind
        return count
    if count < len(start):
        start[count], end[count], kinds[count] = first, last, kind
    return count + 1


@compiled
def _is_long(buffer, run, end, digits):
    """Also `-----BEGIN`, AWS's keys (`AKIA`) and MAC addresses without digits: `AA-BB-CC-DD-EE-FF`."""
    return (
        digits >= RUN_DIGITS
        or end - run >= LONG_RUN
        or (buffer[run] == 45 and buffer[run + 5] == 66)
        or (end - run == 20 and buffer[run] == 65 and buffer[run + 3] == 65)
        or (end - run == 17 and buffer[run + 2] == 45 and buffer[run + 5] == 45)
    )


@compiled
def _scan(buffer, offsets, classes, start, end, kinds):
    count = 0
    for text in range(len(offsets) - 1):
        low, high = offsets[text], offsets[text + 1]
        run = low  # where the run of letters and digits began
        first = last = np.int64(-DIGITS_APART - 1)  # of the digits that are near to each other
        digits = dots = 0
        run_digits = 0
        colons, colon = 0, np.int64(-8)
        at = low
        while at < high:
            kind = classes[buffer[at]]
            if kind == _WORD:
                at += 1
                continue
            if kind == _DIGIT:
                if at - last > DIGITS_APART:
                    if digits >= LEAST_DIGITS or (digits >= LEAST_DOTTED and dots >= 3):
                        count = _add(buffer, low, high, first - AROUND, last + AROUND, DIGITS, start, end, kinds, count)
                    first, digits, dots = at, 0, 0
                elif at - last == 2 and buffer[at - 1] == 46:
                    dots += 1
                digits += 1
                run_digits += 1
                last = at
                at += 1
                continue
            if at - run >= SHORT_RUN and _is_long(buffer, run, at, run_digits):
                count = _add(buffer, low, high, run - AROUND, at + AROUND, LONG, start, end, kinds, count)
            run, run_digits = at + 1, 0
            if kind == _AT:
                count = _add(buffer, low, high, at - AROUND_AT, at + AROUND_AT, AT, start, end, kinds, count)
            elif kind == _COLON:
                colons = colons + 1 if at - colon <= 5 else 1
                colon = at
                if colons >= 2:
                    count = _add(buffer, low, high, at - AROUND, at + AROUND, COLONS, start, end, kinds, count)
            if kind in (_COLON, _EQUALS) and _after_secret_word(buffer, low, at):
                count = _add(buffer, low, high, at - AROUND, at + 200, ASSIGNMENT, start, end, kinds, count)
            at += 1
        if high - run >= SHORT_RUN and _is_long(buffer, run, high, run_digits):
            count = _add(buffer, low, high, run - AROUND, high, LONG, start, end, kinds, count)
        if digits >= LEAST_DIGITS or (digits >= LEAST_DOTTED and dots >= 3):
            count = _add(buffer, low, high, first - AROUND, last + AROUND, DIGITS, start, end, kinds, count)
    return count


@compiled
def _after_secret_word(buffer, low, at):
    """Whether the word before ends as those do that name secrets: key, secret, token, password, passwd, pwd."""
    at -= 1
    while at > low and (buffer[at] == 32 or buffer[at] == 34 or buffer[at] == 39):
        at -= 1
    if at - low < 2:
        return False
    a, b, c = buffer[at - 2] | 32, buffer[at - 1] | 32, buffer[at] | 32
    return (
        (a == 107 and b == 101 and c == 121)  # key
        or (a == 114 and b == 101 and c == 116)  # secret
        or (a == 107 and b == 101 and c == 110)  # token
        or (a == 111 and b == 114 and c == 100)  # password
        or (a == 112 and b == 119 and c == 100)  # pwd
        or (a == 115 and b == 119 and c == 100)  # passwd
    )
