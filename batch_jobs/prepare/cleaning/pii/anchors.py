"""Where a closer look is worth its price: one compiled pass over the bytes. Texts without anchors cost nothing more.

An anchor is what every value of a form must have: an `@` between a name and a host, digits in the groups of a card or a
telephone, colons between hex digits, a prefix that an issuer documents. The pass stops at what may be one (an `@`, six
digits near to each other, a long run of letters and digits) and looks at it there: group lengths, separators, Luhn's
sum, the remainder of an IBAN. What it says is possible, a pattern and a check decide (`kinds`). It never rules out what
they would take.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.batches import Bytes, Integers, Texts
from batch_jobs.prepare.cleaning.pii import digits as groups
from batch_jobs.prepare.cleaning.pii import tokens
from batch_jobs.prepare.cleaning.pii.shapes import (
    ASSIGNMENT,
    BLOCK,
    BOT,
    CRYPTO,
    EMAIL,
    IBAN,
    IPV6,
    JWT,
    MAC,
    NO_ADDRESS,
    PREFIX,
    RUN,
    URL_AUTH,
)
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.lanes import LANES, highest, lowest, mask_of

AROUND, BEFORE_DIGITS = 48, 10
LEAST_DIGITS, LEAST_DOTTED, DIGITS_APART = 6, 4, 4
"""Digits of one value are at most three other bytes apart: `(020) - 79`."""
SHORT_RUN, RUN_DIGITS, LONG_RUN = 9, 3, 30
"""A run of letters and digits is looked at if it is short and has digits, or if it is long."""
SHORT_TOKEN, SHORT_HEADED = 20, 16
LEAST_CRYPTO = 26
CRYPTO_FIRST = tuple(b"01235679ABDLMTXabclmnost")
"""Bytes that addresses begin with: 0x, versions of Bitcoin and what came from it, the names of chains."""
NAME, HOST, CREDENTIALS = 200, 320, 320
"""So many bytes of an address of mail, or of what stands before the `@` of a URL, are looked at."""
LEAST_PASSWORD = 6
AROUND_NAMES = (32, 34, 39, 92, 93, 96)
"""Bytes between a secret's name, the sign and the value: blanks, quotes, `\\`, `]`, and backquotes."""
Prefixes = tuple[NDArray[np.int32], Bytes]
_PLAIN, _DIGIT, _WORD, _AT, _COLON, _EQUALS = range(6)
_HEX, _ALPHA, _ALNUM, _NAME, _HOST, _SECRET, _FIRST = 1, 2, 4, 8, 16, 32, 64


def find_anchors(texts: Texts, words: Integers, asked: int) -> tuple[Integers, Integers, Integers]:
    """Windows in the order of the buffer: first byte, byte after the last, what is possible there (`shapes`).

    `words` are the words that announce values (`kinds.announcing`), `asked` the shapes that matter. No window
    crosses a text's end.
    """
    size = 64 + int(texts.offsets[-1] - texts.offsets[0]) // 256
    tables = (_classes(), _sets(), _prefixes(), words, np.int64(asked))
    while True:
        start, end, shapes = (np.empty(size, np.int64) for _ in range(3))
        count = _scan(texts.buffer, texts.offsets, tables, (start, end, shapes))
        if count <= size:
            return start[:count], end[:count], shapes[:count]
        size = count


def prefixed_places(content: Bytes, start: int, end: int) -> list[int]:
    """Where in [start, end) of a text a token or its header may begin."""
    found = np.empty(end - start, np.int64)
    return found[: _find_prefixed(content, start, end, _sets(), _prefixes(), found)].tolist()


@cache
def _classes() -> Bytes:
    classes = np.zeros(256, np.uint8)
    classes[list(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-+/")] = _WORD
    classes[list(b"0123456789")] = _DIGIT
    classes[ord("@")], classes[ord(":")], classes[ord("=")] = _AT, _COLON, _EQUALS
    return classes


@cache
def _sets() -> Bytes:
    """For each byte the sets that it is in."""
    sets = np.zeros(256, np.uint8)
    letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    sets[list(b"0123456789abcdefABCDEF")] |= _HEX
    sets[list(letters)] |= _ALPHA
    sets[list(letters + b"0123456789_")] |= _ALNUM
    sets[list(letters + b"0123456789_.!#$%&'*+/=?^`{|}~-")] |= _NAME
    sets[list(letters + b"0123456789.-")] |= _HOST
    sets[128:] |= _NAME | _HOST
    sets[list(letters + b"0123456789!@#$%^&*_+/=.~-")] |= _SECRET
    sets[[beginning[0] for beginning in tokens.beginnings()] + list(b"-e")] |= _FIRST
    return sets


@cache
def _prefixes() -> Prefixes:
    """All prefixes in one array, those that begin alike one after the other, each as its length and its bytes, a length
    of 0 behind the last; and a table, by the lowest six bits of the first three bytes, of where in it to begin."""
    table = np.zeros((64, 64, 64), np.int32)
    by_three: dict[tuple[int, int, int], list[bytes]] = {}
    for prefix in tokens.beginnings():
        thirds = [prefix[2] & 63] if len(prefix) > 2 else range(64)
        for third in thirds:
            by_three.setdefault((prefix[0] & 63, prefix[1] & 63, third), []).append(prefix)
    listed = bytearray(b"\0")
    for three, prefixes in by_three.items():
        table[three] = len(listed)
        listed += b"".join(bytes([len(prefix)]) + prefix for prefix in prefixes) + b"\0"
    return table.reshape(-1), np.frombuffer(listed, np.uint8)


@compiled
def _add(buffer, low, high, first, last, shapes, out, count):
    """Put down a window, cut to the text and to whole characters; windows that meet are one."""
    start, end, told = out
    first, last = max(first, low), min(last, high)
    while first > low and buffer[first] & 0xC0 == 0x80:
        first -= 1
    while last < high and buffer[last] & 0xC0 == 0x80:
        last += 1
    if count and count <= len(start) and end[count - 1] >= first and start[count - 1] >= low:
        start[count - 1] = min(start[count - 1], first)
        end[count - 1] = max(end[count - 1], last)
        told[count - 1] |= shapes
        return count
    if count < len(start):
        start[count], end[count], told[count] = first, last, shapes
    return count + 1


@compiled
def _scan(buffer, offsets, tables, out):
    classes, sets, prefixes, words, asked = tables
    count = 0
    for text in range(len(offsets) - 1):
        low, high = offsets[text], offsets[text + 1]
        run = low  # where the run of letters and digits began
        first = last = np.int64(-DIGITS_APART - 1)  # of the digits that are near to each other
        digits = dots = 0
        run_digits = 0
        colon = np.int64(-8)
        seen = low  # colons before it have been looked at
        at = tried = low
        while at < high:
            if at == run and at >= tried and at + LANES <= high:
                at, tried = _skip(buffer, at)
                run = at
            kind = classes[buffer[at]]
            if kind == _WORD:
                at += 1
                continue
            if kind == _DIGIT:
                if at - last > DIGITS_APART:
                    if digits >= LEAST_DIGITS or (digits >= LEAST_DOTTED and dots >= 3):
                        count = _digits(buffer, low, high, first, last + 1, sets, words, asked, out, count)
                    first, digits, dots = at, 0, 0
                elif at - last == 2 and buffer[at - 1] == 46:
                    dots += 1
                digits += 1
                run_digits += 1
                last = at
                at += 1
                continue
            if at - run >= SHORT_RUN and _is_long(buffer, run, at, run_digits, sets, prefixes):
                count = _run(buffer, low, high, run, at, run_digits, sets, prefixes, words, out, count)
            if buffer[at] == 46 and at - run >= 4 and _is_dotted_mac(buffer, high, at - 4, sets):
                count = _add(buffer, low, high, at - 4, at + 14, MAC, out, count)
            run, run_digits = at + 1, 0
            if kind == _AT:
                count = _address(buffer, low, high, at, sets, out, count)
            elif kind == _COLON:
                if at - colon <= 5 and at >= seen:
                    seen, shapes, began = _colons(buffer, low, high, at, sets)
                    if shapes:
                        shapes |= groups.announced(buffer, low, high, began, seen, words)
                        count = _add(buffer, low, high, began, seen + AROUND, shapes, out, count)
                colon = at
            if kind in (_COLON, _EQUALS) and _after_secret_word(buffer, low, at) and _is_secret(buffer, high, at, sets):
                count = _add(buffer, low, high, at - AROUND, at + 200, ASSIGNMENT, out, count)
            at += 1
        if high - run >= SHORT_RUN and _is_long(buffer, run, high, run_digits, sets, prefixes):
            count = _run(buffer, low, high, run, high, run_digits, sets, prefixes, words, out, count)
        if digits >= LEAST_DIGITS or (digits >= LEAST_DOTTED and dots >= 3):
            count = _digits(buffer, low, high, first, last + 1, sets, words, asked, out, count)
    return count


_in_runs, _stops, _dots, _dashes = mask_of("A-Za-z0-9_+/-"), mask_of("0-9:=@"), mask_of("."), mask_of("-")


@compiled
def _skip(buffer, at):
    """Past whole runs among the next 64 bytes that cannot be looked at: (where the first other one begins, a byte up to
    which it is no use to try again). A run begins at `at`."""
    runs = _in_runs(buffer, at)
    of_two = runs & (runs >> np.uint64(1))
    of_four = of_two & (of_two >> np.uint64(2))
    of_eight = of_four & (of_four >> np.uint64(4))
    dashes = _dashes(buffer, at)
    of_two_dashes = dashes & (dashes >> np.uint64(1))
    of_five_dashes = of_two_dashes & (of_two_dashes >> np.uint64(2)) & (dashes >> np.uint64(4))
    begins = of_five_dashes & ((runs & ~dashes) >> np.uint64(5))
    stops = _stops(buffer, at) | (of_eight & (of_eight >> np.uint64(8))) | begins
    first = lowest(stops | (_dots(buffer, at) & (runs >> np.uint64(1))))
    before = ~np.uint64(0) if first == LANES else (np.uint64(1) << np.uint64(first)) - np.uint64(1)
    return at + highest(~runs & before) + 1, at + first


@compiled
def _digits(buffer, low, high, first, end, sets, words, asked, out, count):
    """Each group of digits in [first, end) from which a value may go on."""
    at = first
    while at < end:
        shapes, stop = groups.shapes_from(buffer, low, high, at)
        shapes &= asked
        if shapes & groups.ANNOUNCED:
            told = groups.announced(buffer, low, high, at, stop, words) & asked
            shapes = shapes | told if told else shapes & ~groups.ANNOUNCED
        if shapes:
            last = min(end, stop + AROUND) + AROUND
            count = _add(buffer, low, high, at - BEFORE_DIGITS, last, shapes, out, count)
        while at < end and 48 <= buffer[at] <= 57:
            at += 1
        while at < end and not 48 <= buffer[at] <= 57:
            at += 1
    return _ibans(buffer, low, high, max(low, first - AROUND), end, sets, out, count)


@compiled
def _ibans(buffer, low, high, first, end, sets, out, count):
    """Two letters and two digits, from which letters and digits go on that leave the remainder 1 (ISO 13616)."""
    for at in range(max(first, low), min(end, high - 14)):
        if not sets[buffer[at]] & _ALPHA or not 48 <= buffer[at + 2] <= 57 or not 48 <= buffer[at + 3] <= 57:
            continue
        if not sets[buffer[at + 1]] & _ALPHA or (at > low and sets[buffer[at - 1]] & _ALNUM):
            continue
        if groups.is_iban(buffer, high, at):
            count = _add(buffer, low, high, at, at + 80, IBAN, out, count)
    return count


@compiled
def _is_long(buffer, run, end, digits, sets, prefixes):
    """Also `-----BEGIN`, what has a token's prefix in it or a header's before it, and MAC addresses without digits:
    `AA-BB-CC-DD-EE-FF`."""
    return (
        digits >= RUN_DIGITS
        or end - run >= LONG_RUN
        or (buffer[end - 5] == 66 and buffer[end - 6] == 45)
        or (end - run >= SHORT_TOKEN and _has_prefix(buffer, run, end, sets, prefixes))
        or (end - run >= SHORT_HEADED and _is_headed(buffer, run))
        or (end - run >= 17 and buffer[run + 2] == 45 and buffer[run + 5] == 45)
    )


@compiled
def _is_headed(buffer, run):
    """Whether `Bearer ` or `Basic ` stands before the run."""
    if run < 6 or buffer[run - 1] != 32:
        return False
    a, b, c, d = buffer[run - 5], buffer[run - 4], buffer[run - 3], buffer[run - 2]
    return (a == 97 and b == 114 and c == 101 and d == 114) or (a == 97 and b == 115 and c == 105 and d == 99)


@compiled
def _has_prefix(buffer, run, end, sets, prefixes):
    for at in range(run, end - SHORT_TOKEN + 1):
        if (at == run or not sets[buffer[at - 1]] & _ALNUM) and _prefix(buffer, at, prefixes):
            return True
    return False


@compiled
def _run(buffer, low, high, run, end, digits, sets, prefixes, words, out, count):
    """What a run of letters and digits may be, with the prefix before it."""
    shapes = RUN if digits >= RUN_DIGITS else 0
    dashes = 0
    for at in range(max(low, run - AROUND), end - 2):
        byte = buffer[at]
        if at >= run and byte == 45:
            dashes += 1
        if at > low and sets[buffer[at - 1]] & _ALNUM:
            continue
        if sets[byte] & _FIRST:
            shapes |= _prefix(buffer, at, prefixes)
        if at >= run and end - at >= LEAST_CRYPTO and byte in CRYPTO_FIRST:
            shapes |= CRYPTO
    if dashes >= 5:
        shapes |= MAC
    if shapes == RUN:
        shapes = groups.in_run(buffer, run, end)
        if shapes:
            shapes |= groups.announced(buffer, low, high, run, end, words)
    elif shapes & RUN:
        shapes |= groups.in_run(buffer, run, end) | groups.announced(buffer, low, high, run, end, words)
    if shapes:
        count = _add(buffer, low, high, run - AROUND, end + AROUND, shapes, out, count)
    return _ibans(buffer, low, high, run, end, sets, out, count) if digits >= RUN_DIGITS else count


@compiled
def _prefix(buffer, at, prefixes):
    a, b, c = np.int64(buffer[at]), np.int64(buffer[at + 1]), np.int64(buffer[at + 2])
    if a == 45 and b == 45 and c == 45:  # the last three of -----B: a letter may stand before the first
        return BLOCK if at + 3 < len(buffer) and buffer[at + 3] == 66 else 0
    shapes = JWT if a == 101 and b == 121 and c == 74 else 0  # eyJ
    table, listed = prefixes
    place = table[(a & 63) << 12 | (b & 63) << 6 | c & 63]
    while listed[place]:
        size = np.int64(listed[place])
        if _is_at(buffer, at, listed, place + 1, size):
            shapes |= BOT if size == 2 and a == b == 65 else PREFIX
        place += size + 1
    return shapes


@compiled
def _is_at(buffer, at, listed, place, size):
    if at + size > len(buffer):
        return False
    for byte in range(size):
        if buffer[at + byte] != listed[place + byte]:
            return False
    return True


@compiled
def _find_prefixed(content, start, end, sets, prefixes, found):
    count = 0
    for at in range(start, min(end, len(content) - 2)):
        if not sets[content[at]] & _FIRST or (at > 0 and sets[content[at - 1]] & _ALNUM):
            continue
        if _prefix(content, at, prefixes):
            found[count] = at
            count += 1
    return count


@compiled
def _is_dotted_mac(buffer, high, begin, sets):
    """`aabb.ccdd.eeff`."""
    if begin + 14 > high or buffer[begin + 9] != 46:
        return False
    for at in (0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13):
        if not sets[buffer[begin + at]] & _HEX:
            return False
    return True


@compiled
def _address(buffer, low, high, at, sets, out, count):
    """An `@` with a name before and a host with a dot behind, or with `://` and a colon before."""
    begin = at
    while begin > low and at - begin < NAME and sets[buffer[begin - 1]] & _NAME:
        begin -= 1
    end, dots = at + 1, 0
    while end < high and end - at < HOST and sets[buffer[end]] & _HOST:
        dots += buffer[end] == 46
        end += 1
    if begin < at and dots and buffer[at - 1] != 46 and buffer[at + 1] not in (45, 46):
        count = _add(buffer, low, high, begin, min(end + 4, at + HOST), EMAIL, out, count)
    begin, colons = at, 0
    while begin > low and at - begin < CREDENTIALS and buffer[begin - 1] not in NO_ADDRESS:
        begin -= 1
        colons += buffer[begin] == 58
    if colons and begin - low >= 4 and buffer[begin - 1] == 47 and buffer[begin - 2] == 47 and buffer[begin - 3] == 58:
        count = _add(buffer, low, high, begin - 24, at + HOST, URL_AUTH, out, count)
    return count


@compiled
def _colons(buffer, low, high, at, sets):
    """Where the hex digits and colons around this colon end, what they may be, where they began."""
    begin, end = at, at + 1
    while begin > low and (sets[buffer[begin - 1]] & _HEX or buffer[begin - 1] == 58):
        begin -= 1
    while end < high and (sets[buffer[end]] & _HEX or buffer[end] == 58):
        end += 1
    if begin > low and (sets[buffer[begin - 1]] & _ALNUM or buffer[begin - 1] == 46):
        return end, 0, begin
    if end < high and sets[buffer[end]] & _ALNUM:
        return end, 0, begin
    colons, twice = 0, False
    for place in range(begin, end):
        if buffer[place] == 58:
            colons += 1
            twice |= place + 1 < end and buffer[place + 1] == 58
    shapes = MAC if colons >= 5 and 17 <= end - begin <= AROUND else 0
    if colons <= 9 and end - begin <= AROUND and (twice or colons >= 6):
        shapes |= IPV6
    return end, shapes, begin


@compiled
def _after_secret_word(buffer, low, at):
    """Whether the word before ends as those do that name secrets: key, secret, token, password, phrase, pass, auth."""
    at -= 1
    while at > low and buffer[at] in AROUND_NAMES:
        at -= 1
    if at - low < 3:
        return False
    o, a, b, c = buffer[at - 3] | 32, buffer[at - 2] | 32, buffer[at - 1] | 32, buffer[at] | 32
    return (
        (a == 107 and b == 101 and c == 121)  # key
        or (a == 114 and b == 101 and c == 116)  # secret
        or (a == 107 and b == 101 and c == 110)  # token
        or (a == 111 and b == 114 and c == 100)  # password
        or (a == 112 and b == 119 and c == 100)  # pwd
        or (a == 115 and b == 119 and c == 100)  # passwd
        or (a == 97 and b == 115 and c == 101 and o == 114)  # passphrase
        or (o == 112 and a == 97 and b == 115 and c == 115)  # db_pass
        or (o == 119 and a == 111 and b == 114 and c == 116)  # Passwort
        or (o == 97 and a == 115 and b == 115 and c == 101)  # mot de passe
        or (a == 0xE3 and b == 0xB1 and c == 97)  # contraseña
        or (a == 117 and b == 116 and c == 104)  # auth
    )


@compiled
def _is_secret(buffer, high, at, sets):
    """Whether six or more bytes of a password or key follow, with a letter's opposite among them."""
    at += 1
    while at < high and (buffer[at] in AROUND_NAMES or buffer[at] == 61 or buffer[at] == 62):  # = >
        at += 1
    begin, marks = at, 0
    while at < high and at - begin < 200 and sets[buffer[at]] & _SECRET:
        byte = buffer[at]
        marks += 48 <= byte <= 57 or byte in (33, 64, 35, 36, 37, 94, 38, 42)  # !@#$%^&*
        at += 1
    return at - begin >= LEAST_PASSWORD and marks > 0
