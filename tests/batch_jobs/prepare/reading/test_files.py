"""A compressed file of JSON lines is read like a plain one; another type is named."""

import gzip
from pathlib import Path

import pytest

from batch_jobs.prepare.reading.files import read_blocks
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.recipes import PrepareRecipe


@pytest.mark.parametrize("packed", [b"{}\n[]", gzip.compress(b"{}\n[]", mtime=0)])
def test_plain_and_compressed_are_read_alike(packed: bytes, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(packed)
    (block,) = read_blocks(tmp_path / "f", "s3://b/f", PrepareRecipe())
    assert [block.line(i) for i in range(len(block))] == [b"{}", b"[]"]


@pytest.mark.parametrize(
    "foreign", [b"", gzip.compress(b"", mtime=0), b"%PDF-1.7", b"PAR1", gzip.compress(b"PK\x03\x04", mtime=0)]
)
def test_another_type_is_named(foreign: bytes, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(foreign)
    with pytest.raises(InvalidInput):
        list(read_blocks(tmp_path / "f", "s3://b/f", PrepareRecipe()))
