"""Lines, their numbers and offsets, whatever the pieces they arrive in; a giant line is refused and skipped."""

import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.reading.json_lines import line_blocks


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([b"a", b"bcd", b"\n", b"\r\n"]), min_size=1).map(b"".join), st.integers(1, 9))
def test_lines_are_those_of_the_text(text: bytes, step: int) -> None:
    pieces = [(text[at : at + step], at + step) for at in range(0, len(text), step)]
    found = [
        (int(block.numbers[i]), int(block.offsets[i]), block.line(i))
        for block in line_blocks(pieces, 1000)
        for i in range(len(block))
    ]
    expected, offset = [], 0
    for number, line in enumerate(text.removesuffix(b"\n").split(b"\n"), 1):
        expected.append((number, offset, line.removesuffix(b"\r") if offset + len(line) < len(text) else line))
        offset += len(line) + 1
    assert found == expected


def test_a_giant_line_is_refused_and_the_next_is_read() -> None:
    """D06"""
    pieces = [(b"\xef\xbb\xbfa\n", 1)] + [(b"x" * (1 << 20), 1)] * 40 + [(b"\nlast", 1)]
    blocks = list(line_blocks(pieces, 4_000_000))
    (refusal,) = [refusal for block in blocks for refusal in block.refusals]
    assert (refusal.number, refusal.offset, refusal.length, len(refusal.raw)) == (2, 5, 40 << 20, 1000)
    lines = [(int(b.numbers[i]), int(b.offsets[i]), b.line(i)) for b in blocks for i in range(len(b))]
    assert lines == [(1, 0, b"a"), (3, 6 + (40 << 20), b"last")]


def test_a_text_of_line_breaks_costs_no_more_memory_than_any_other() -> None:
    pieces = [(b"\n" * (1 << 20), 1)] * 32
    tracemalloc.start()
    rows = sum(len(block) for block in line_blocks(pieces, 1_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 32 << 20 and peak < 3 * (9 << 20) + (8 << 20)


def test_refusals_know_how_many_lines_stand_before_them() -> None:
    (block,) = line_blocks([(b"long\na\nlong\nlong\nb\n", 1)], 3)
    assert [(refusal.index, refusal.number) for refusal in block.refusals] == [(0, 1), (1, 3), (1, 4)]
