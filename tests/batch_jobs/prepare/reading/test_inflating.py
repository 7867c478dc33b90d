"""Compressed uploads: every member is read, a cut is an error, a bomb is stopped."""

import gzip
from pathlib import Path

import pytest
import zstandard

from batch_jobs.prepare.reading.inflating import inflated_pieces
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.preparation import ReadRecipe
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
    """D09"""
    packed = PACK[kind](TEXT)
    for cut in range(4, len(packed)):
        with pytest.raises(InvalidInput, match="broken"):
            _read(tmp_path / "f", packed[:cut])


def test_zeros_after_a_member_are_padding_and_frames_to_skip_are_skipped(tmp_path: Path) -> None:
    packed, skipped = PACK["gzip"](TEXT), b"\x5a\x2a\x4d\x18\x04\x00\x00\x00abcd"
    assert _read(tmp_path / "f", packed + bytes(5_000) + packed + bytes(3)) == TEXT + TEXT
    assert _read(tmp_path / "f", skipped + PACK["zstd"](TEXT) + skipped + PACK["zstd"](TEXT)) == TEXT + TEXT
    with pytest.raises(InvalidInput, match="broken"):
        _read(tmp_path / "f", packed + b"rubbish")


@pytest.mark.parametrize("kind", PACK)
def test_a_changed_byte_is_never_read_as_something_else(kind: str, tmp_path: Path) -> None:
    packed = PACK[kind](TEXT)
    for place in range(4, len(packed)):
        for bit in (0, 3, 7):
            changed = bytearray(packed)
            changed[place] ^= 1 << bit
            try:
                assert _read(tmp_path / "f", bytes(changed)) == TEXT
            except InvalidInput:
                continue


@pytest.mark.parametrize("kind", PACK)
def test_a_wrong_checksum_of_a_whole_file_is_an_error(kind: str, tmp_path: Path) -> None:
    """D09"""
    packed = bytearray(PACK[kind](TEXT))
    packed[-8 if kind == "gzip" else -4] ^= 1
    with pytest.raises(InvalidInput, match="broken after"):
        _read(tmp_path / "f", bytes(packed))


@pytest.mark.parametrize("kind", PACK)
def test_too_much_text_is_stopped_where_the_limit_is(kind: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(PACK[kind](TEXT * 100))
    recipe = PrepareRecipe(read=ReadRecipe(max_inflated_bytes=5_000))
    with pytest.raises(InvalidInput, match="prepare.read.max_inflated_bytes"):
        list(inflated_pieces(tmp_path / "f", "s3://b/f", recipe))


@pytest.mark.parametrize("kind", PACK)
def test_a_bomb_is_stopped(kind: str, tmp_path: Path) -> None:
    """D07"""
    with pytest.raises(InvalidInput, match="max_inflation"):
        _read(tmp_path / "f", PACK[kind](bytes(100 << 20)))
