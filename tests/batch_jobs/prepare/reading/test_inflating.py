"""Compressed uploads: every member is read, a cut is an error, a bomb is stopped."""

import gzip
from pathlib import Path

import pytest
import zstandard

from batch_jobs.prepare.reading.inflating import inflated_pieces
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.recipes import PrepareRecipe

TEXT = b'{"prompt": "a"}\n' * 20
PACK = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor(write_checksum=True).compress}


def _read(file: Path, packed: bytes) -> bytes:
    file.write_bytes(packed)
    return b"".join(piece for piece, _ in inflated_pieces(file, "s3://b/f", PrepareRecipe()))


@pytest.mark.parametrize("kind", PACK)
def test_all_members_are_read(kind: str, tmp_path: Path) -> None:
    assert _read(tmp_path / "f", PACK[kind](TEXT) + PACK[kind](b"end")) == TEXT + b"end"


@pytest.mark.parametrize("kind", PACK)
def test_a_file_cut_at_any_byte_is_an_error(kind: str, tmp_path: Path) -> None:
    packed = PACK[kind](TEXT)
    for cut in range(4, len(packed)):
        with pytest.raises(InvalidInput, match="broken"):
            _read(tmp_path / "f", packed[:cut])


@pytest.mark.parametrize("kind", PACK)
def test_a_bomb_is_stopped(kind: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="max_inflation"):
        _read(tmp_path / "f", PACK[kind](bytes(100 << 20)))
