"""Plain text as documents: what ends one, and where each begins."""

import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.reading.blocks import Block
from batch_jobs.prepare.reading.documents import document_blocks, documents_of
from tunesmith.contracts.datasets import ProblemCode
from tunesmith.contracts.preparation import Documents, ReadRecipe

ENDS = {Documents.LINE: r"[\n\f]", Documents.PARAGRAPH: r"\f|\n[ \t\r]*\n", Documents.PAGE: r"\f"}


def _read(text: bytes, documents: Documents, step: int) -> Iterator[Block]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("batch_jobs.prepare.reading.spans.BLOCK_BYTES", step)
        patch.setattr("batch_jobs.prepare.reading.spans.BLOCK_LINES", 2)
        pieces = ((text[at : at + step], at + step) for at in range(0, len(text), step))
        yield from document_blocks(pieces, documents, 4_000)


@settings(max_examples=300, deadline=None)
@given(
    st.text(st.sampled_from(list('ab \t\r\n\n\n\f"\\\x01é')), max_size=30),
    st.sampled_from(list(Documents)),
    st.integers(1, 9),
)
def test_documents_are_the_text_between_what_ends_them(text: str, documents: Documents, step: int) -> None:
    raw = text.encode()
    expected = [part.strip(" \t\r\n") for part in re.split(ENDS[documents], text)]
    found = [
        (json.loads(block.line(i))["text"], int(block.lines[i]), int(block.offsets[i]))
        for block in _read(raw, documents, step)
        for i in range(len(block))
        if block.lines is not None
    ]
    assert [document for document, *_ in found] == [part for part in expected if part]
    for document, line, offset in found:
        assert raw[offset:].startswith(document.encode()) and raw[:offset].count(b"\n") == line - 1


def test_the_recipe_decides_or_else_the_files_name() -> None:
    assert documents_of("a.txt.gz", ReadRecipe()) is Documents.PARAGRAPH
    assert documents_of("s3://b/a.MD", ReadRecipe()) is Documents.PAGE
    assert documents_of("a.txt", ReadRecipe(documents=Documents.LINE)) is Documents.LINE


def test_a_document_that_is_too_long_is_refused_and_the_next_one_read() -> None:
    blocks = list(_read(b"a\n\n" + b"x\n" * 5_000 + b"\nb", Documents.PARAGRAPH, 1_000))
    (refusal,) = [refusal for block in blocks for refusal in block.refusals]
    assert (refusal.problem.code, refusal.number, refusal.length) == (ProblemCode.LINE_TOO_LONG, 2, 9_999)
    assert [block.line(i) for block in blocks for i in range(len(block))] == [b'{"text":"a"}', b'{"text":"b"}']
