"""What groups of digits may be: their lengths, what stands between them, their check digits. Compiled."""

import numpy as np

from batch_jobs.prepare.cleaning.pii.shapes import (
    CARD,
    CPF,
    GROUPED,
    IPV4,
    ITIN,
    JOINED,
    NINO,
    NIR,
    NUMBER,
    PHONE_334,
    PHONE_ABROAD,
    PHONE_BRACKETS,
    PHONE_PLAIN,
    PHONE_ZERO,
    RUN,
    SHORT_CARD,
    SPANISH,
    SSN,
    WORDS,
)
from batch_jobs.prepare.compiling import compiled

MOST_GROUPS, MOST_DIGITS = 20, 24
ANNOUNCED = NUMBER | PHONE_PLAIN | JOINED | SHORT_CARD | RUN
CONTEXT = 64
_SPACE, _PLUS, _COMMA, _DASH, _DOT, _SLASH, _COLON = 32, 43, 44, 45, 46, 47, 58


@compiled
def shapes_from(buffer, low, high, at):
    """What the groups of digits from here on may be, and where they stop.

    Groups belong together if one byte of ` .-/:+` stands between them; at most 24 digits are looked at. The group at
    `at` is whole: no digit stands before it.
    """
    sizes, marks, value = (
        np.empty(MOST_GROUPS, np.int64),
        np.empty(MOST_GROUPS, np.uint8),
        np.empty(MOST_DIGITS, np.int64),
    )
    begin, total, count = at, 0, 0
    before = buffer[at - 1] if at > low else np.uint8(0)
    second = buffer[at - 2] if at - 1 > low else np.uint8(0)
    after_number = before == _SPACE and 48 <= second <= 57
    while count < MOST_GROUPS:
        size = 0
        while at < high and 48 <= buffer[at] <= 57:
            if total < MOST_DIGITS:
                value[total] = buffer[at] - 48
            total += 1
            size += 1
            at += 1
        sizes[count] = size
        marks[count] = 0
        count += 1
        if total >= MOST_DIGITS or at + 1 >= high or not 48 <= buffer[at + 1] <= 57:
            break
        mark = buffer[at]
        if mark not in (_SPACE, _DASH, _DOT, _SLASH, _COLON, _PLUS):
            break
        marks[count - 1] = mark
        at += 1
    next_byte = buffer[at] if at < high else np.uint8(0)
    shapes = 0
    # Telephones with what stands before or behind the first group
    if before == _PLUS and value[0]:
        shapes |= PHONE_ABROAD
    if sizes[0] >= 3 and value[0] == 0 and value[1] == 0 and value[2] and not after_number:
        shapes |= PHONE_ABROAD
    if sizes[0] <= 5 and (before == 40 or before == _PLUS and second == 40):
        end = begin + sizes[0]
        if end < high and buffer[end] == 41:
            shapes |= PHONE_BRACKETS
    if total == 6 and count == 3 and sizes[0] == sizes[1] == 2 and marks[0] == marks[1] == _SPACE:
        shapes |= NUMBER | PHONE_PLAIN  # Denmark's north: 12 34 56
    if total >= 7:
        shapes |= NUMBER | PHONE_PLAIN
        if sizes[0] == 9 or (count >= 2 and marks[0] == _DASH and _is_joined(sizes[0], sizes[1])):
            shapes |= JOINED
        shapes |= _cards(buffer, high, begin, sizes, marks, value, count)
        if value[0] == 0 and 2 <= sizes[0] <= 6 and marks[0] and not after_number:
            shapes |= PHONE_ZERO
    if sizes[0] == 3 and count >= 3:
        same = marks[0] == marks[1]
        known = marks[0] == _SPACE or marks[0] == _DASH or marks[0] == _DOT
        if same and known and sizes[1] == 3 and sizes[2] == 4:
            shapes |= PHONE_334
        if sizes[1] == 2 and sizes[2] == 4:
            if same and known:
                shapes |= SSN
            if value[0] == 9:
                shapes |= ITIN
        if count >= 4 and sizes[1] == 3 and sizes[2] == 3 and sizes[3] == 2 and marks[2] == _DASH:
            shapes |= CPF
    if count >= 4 and marks[0] == _DOT and marks[1] == _DOT and marks[2] == _DOT and _is_ipv4(sizes, value):
        shapes |= IPV4
        if count == 4 and not _has_extension(buffer, high, at):
            shapes &= ~PHONE_PLAIN
    if before == _DOT:
        shapes &= ~PHONE_PLAIN  # every telephone's pattern rules it out
    if 1 <= value[0] <= 2 and (total >= 13 or (total >= 5 and (next_byte == 65 or next_byte == 66))):
        shapes |= NIR
    if total == 6 and sizes[0] % 2 == 0 and begin - low >= 2:
        letter = buffer[at + 1] if next_byte == _SPACE and at + 1 < high else next_byte
        if 65 <= letter & 0xDF <= 90:
            shapes |= NINO
    if _is_grouped(sizes, marks, count):
        shapes |= GROUPED
    if 7 <= sizes[0] <= 8:
        end = begin + sizes[0]
        if end < high and buffer[end] == _DASH:
            end += 1
        if end < high and 65 <= buffer[end] & 0xDF <= 90:
            shapes |= SPANISH
    return shapes, at


@compiled
def _has_extension(buffer, high, at):
    """Whether `x` or `ext` follows, behind a comma and a blank."""
    last = min(at + 3, high)
    while at < last and (buffer[at] == _COMMA or buffer[at] == _SPACE):
        at += 1
    return at < last and (buffer[at] | 32 == 120 or buffer[at] | 32 == 101)


@compiled
def _is_joined(first, second):
    return (first == 3 and second == 6) or (first == 5 and second == 4)


@compiled
def _is_grouped(sizes, marks, count):
    """Wider than `national.GROUPED`, which decides."""
    first = sizes[0]
    if first == 17 or first == 18:
        return True
    if count < 2 or marks[0] == _SPACE or marks[0] == _COLON:
        return False
    second, third = sizes[1], sizes[2] if count > 2 else 0
    if first == 6:
        return 3 <= second <= 5 or second == 7 or (second == 2 and third == 4)
    if first == 5:
        return second == 7
    if first == 3:
        return second == 7 or (count >= 4 and second == third and 3 <= second <= 4 and sizes[3] == 2)
    if first == 2 and second == 8:
        return True
    if first <= 2 and second == 3 and third == 3:
        return count == 3 or marks[2] == _DASH
    return (first == 1 and second == 4 and third == 5) or (first == 2 and third == 2 and count >= 5 and sizes[3] == 3)


@compiled
def _is_ipv4(sizes, value):
    place = 0
    for group in range(4):
        size = sizes[group]
        if size > 3 or place + size > MOST_DIGITS:
            return False
        number = 0
        for _ in range(size):
            number = number * 10 + value[place]
            place += 1
        if number > 255:
            return False
    return True


@compiled
def _cards(buffer, high, begin, sizes, marks, value, count):
    """Whether 12 digits from here on, or the most of up to 19 that end a group, may be a card and pass Luhn's check.

    Blanks and dashes may stand between them; no letter and no dash with a digit may follow.
    """
    if value[0] > 6 and value[0] != 8:
        return 0
    shapes, digits, longest, at = 0, 0, 0, begin
    for group in range(count):
        digits += sizes[group]
        at += sizes[group] + 1  # behind the mark
        if digits > 19:
            break
        if digits >= 12 and marks[group] != _DASH and (marks[group] or at > high or not _is_word(buffer[at - 1])):
            if digits > 12:
                longest = digits
            elif _is_issued(value, 12) and _luhn(value, 12):
                shapes |= SHORT_CARD
        if marks[group] != _SPACE and marks[group] != _DASH:
            break
    if longest and _is_issued(value, longest) and _luhn(value, longest):
        shapes |= CARD
    return shapes


@compiled
def _is_issued(value, digits):
    """Whether an issuer may have numbers of this length: wider than `checking.is_card`, which decides."""
    first, second = value[0], value[1]
    if digits == 12:
        return first == 0 or first == 5 or first == 6
    if first == 1:
        return digits == 15 and second == 8
    if first == 2:
        return 15 <= digits <= 17
    if first == 3:
        return digits == 15 or (digits == 16 and second == 5) or (digits >= 13 and second in (0, 6, 8, 9))
    if first == 4:
        return digits in (13, 16, 19)
    if first == 5:
        return digits == 16 or second in (0, 6, 7, 8)
    return (first == 6 or first == 8) and digits >= 16


@compiled
def _luhn(value, digits):
    sum_ = 0
    for place in range(digits):
        digit = value[digits - 1 - place]
        if place % 2:
            digit = digit * 2 - 9 * (digit > 4)
        sum_ += digit
    return sum_ % 10 == 0


@compiled
def in_run(buffer, run, end):
    """RUN if a national number of letters and digits may be in it: digits between letters, or many and few letters."""
    letters = digits = changes = 0
    before = 0
    for at in range(run, end):
        byte = buffer[at]
        kind = 1 if 48 <= byte <= 57 else 2 if 65 <= byte & 0xDF <= 90 else 0
        digits += kind == 1
        letters += kind == 2
        changes += kind != before
        before = kind
    if digits >= 7 and 1 <= letters <= 2:
        return RUN
    return RUN if digits >= 3 and letters >= 1 and changes >= 3 else 0


@compiled
def is_iban(buffer, high, at):
    """Whether some 15 to 34 letters and digits from here on, one blank or dash between, leave 1 modulo 97."""
    rest, size, place = np.int64(0), 4, at + 4
    while size < 34:
        if place < high and (buffer[place] == _SPACE or buffer[place] == _DASH):
            place += 1
        if place >= high:
            return False
        byte = buffer[place]
        if not (48 <= byte <= 57 or 65 <= byte & 0xDF <= 90) or byte > 127:
            return False
        rest = _shifted(rest, byte)
        size += 1
        place += 1
        if size >= 15 and not (place < high and _is_word(buffer[place])):
            first = np.int64(_number(buffer[at])) * 100 + _number(buffer[at + 1])
            check = (buffer[at + 2] - 48) * 10 + buffer[at + 3] - 48
            if (rest * 1_000_000 + first * 100 + check) % 97 == 1:
                return True
    return False


@compiled
def _number(byte):
    return np.int64((byte & 0xDF) - 55)


@compiled
def _shifted(remainder, byte):
    if byte <= 57:
        return (remainder * 10 + byte - 48) % 97
    return (remainder * 100 + _number(byte)) % 97


@compiled
def _is_word(byte):
    return 48 <= byte <= 57 or 65 <= byte & 0xDF <= 90 and byte < 128 or byte == 95


@compiled
def announced(buffer, low, high, begin, end, words):
    """The bits of the kinds that a word around [begin, end) announces: `words` by the first three letters of it."""
    if high - low <= 2 * CONTEXT:
        return np.int64(0x7FFFFFFF) << WORDS  # a text without words needs none
    told = np.int64(0)
    first, last = max(low, begin - CONTEXT - 16), min(high, end + CONTEXT) - 2
    for at in range(first, last):
        a = np.int64(buffer[at] & 0xDF)
        if not 65 <= a <= 90 or buffer[at] > 127:
            continue
        if at > low and 65 <= buffer[at - 1] & 0xDF <= 90 and buffer[at - 1] < 128:
            continue
        told |= words[(a & 31) << 10 | np.int64(buffer[at + 1] & 31) << 5 | np.int64(buffer[at + 2] & 31)]
    return told << WORDS
