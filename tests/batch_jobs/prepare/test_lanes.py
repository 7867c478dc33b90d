"""What is asked of 64 bytes at once is what would be asked of each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.lanes import (
    LANES,
    copy_bytes,
    copy_lanes,
    count_bits,
    highest,
    load_word,
    lowest,
    mask_and_lower,
    mask_of,
)

_is_word, _is_odd = mask_of("a-zA-Z0-9_-"), mask_of('\x00-\x1f\\"\x7f-\xff')
_to_words = mask_and_lower("A-Za-z\xc0-\xff")
WORD, ODD = (
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-",
    bytes([*range(32), *b'\\"', *range(127, 256)]),
)

data = st.binary(min_size=LANES, max_size=LANES + 20)


@compiled
def masks(buffer, at):
    return _is_word(buffer, at), _is_odd(buffer, at)


@compiled
def bits(mask):
    return lowest(mask), highest(mask), count_bits(mask)


@compiled
def word(buffer, at):
    return load_word(buffer, at)


@compiled
def copied(buffer, at, target, to):
    copy_lanes(buffer, at, target, to)


@compiled
def lowered(buffer, at, target, to):
    return _to_words(buffer, at, target, to)


def array(raw: bytes) -> np.ndarray:
    return np.frombuffer(bytearray(raw), np.uint8)


@settings(deadline=None)
@given(data)
def test_a_bit_per_byte_says_whether_it_is_in_the_set(raw: bytes) -> None:
    for at in range(len(raw) - LANES + 1):
        for mask, wanted in zip(masks(array(raw), at), (WORD, ODD), strict=True):
            assert [bool(mask >> place & 1) for place in range(LANES)] == [
                byte in wanted for byte in raw[at : at + LANES]
            ]


@pytest.mark.parametrize("mask", [0, 1, 1 << 63, 0b1011000, (1 << 64) - 1])
def test_bits_are_found_and_counted(mask: int) -> None:
    digits = f"{mask:064b}"
    first, last = digits[::-1].find("1"), 63 - digits.find("1")
    assert bits(np.uint64(mask)) == ((first, last, digits.count("1")) if mask else (LANES, -1, 0))


@settings(deadline=None)
@given(data)
def test_words_are_loaded_and_lanes_copied_from_any_place(raw: bytes) -> None:
    at = len(raw) - LANES
    target = np.zeros(LANES + 3, np.uint8)
    copied(array(raw), at, target, 2)
    assert target.tobytes() == b"\0\0" + raw[at:] + b"\0"
    assert word(array(raw), at) == int.from_bytes(raw[at : at + 8], "little")


@settings(deadline=None)
@given(st.binary(max_size=3 * LANES), st.integers(0, 3), st.data())
def test_any_number_of_bytes_is_copied_and_no_other_touched(raw: bytes, to: int, drawn: st.DataObject) -> None:
    start = drawn.draw(st.integers(0, len(raw)))
    size = drawn.draw(st.integers(0, len(raw) - start))
    target = np.full(to + size + 2, 7, np.uint8)
    copy_bytes(array(raw), start, target, to, size)
    assert target.tobytes() == b"\7" * to + raw[start : start + size] + b"\7\7"


@settings(deadline=None)
@given(data)
def test_what_is_in_the_set_is_lowered_and_the_rest_is_zero(raw: bytes) -> None:
    target = np.full(LANES + 2, 7, np.uint8)
    mask = lowered(array(raw), 0, target, 1)
    wanted = [byte for byte in raw[:LANES].lower()]
    is_in = [chr(byte).isalpha() and byte < 128 or byte >= 0xC0 for byte in wanted]
    assert target.tolist() == [7, *(byte if found else 0 for byte, found in zip(wanted, is_in, strict=True)), 7]
    assert [bool(mask >> place & 1) for place in range(LANES)] == is_in
